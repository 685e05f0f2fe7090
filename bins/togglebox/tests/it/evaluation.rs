//! What an SDK makes of the records that it is served: the client's half of the contract, written from its description and not from
//! the server's code.

use serde_json::Value;

/// Whom something is evaluated for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct User<'a> {
    pub(crate) id: &'a str,
    pub(crate) country: Option<&'a str>,
    pub(crate) language: Option<&'a str>,
}

/// `A` or `B`. Like the SDKs, this panics when one of the targeting lists is missing.
pub(crate) fn served_side(flag: &Value, user: User<'_>) -> String {
    let targeting = &flag["targeting"];
    if flag["enabled"] == false || lists(targeting, "forceExcludeUsers", user) {
        return "B".to_owned();
    }
    if lists(targeting, "forceIncludeUsers", user) {
        return "A".to_owned();
    }
    if let Some(rule) = rule(list(targeting, "countries"), "country", user.country.map(str::to_uppercase), str::to_uppercase) {
        let languages = rule.get("languages").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let language = self::rule(languages, "language", user.language.map(str::to_lowercase), str::to_lowercase);
        return text(language.unwrap_or(rule), "serveValue").to_owned();
    }
    if flag["rolloutEnabled"] == true {
        let share = flag["rolloutPercentageA"].as_f64().unwrap_or(100.0);
        return if percentage(text(flag, "flagKey"), user.id) < share { "A" } else { "B" }.to_owned();
    }
    text(flag, "defaultValue").to_owned()
}

/// The key of the variation, if the user takes part.
pub(crate) fn variation(experiment: &Value, user: User<'_>) -> Option<String> {
    let targeting = &experiment["targeting"];
    if experiment["status"] != "running" || lists(targeting, "forceExcludeUsers", user) {
        return None;
    }
    let countries = list(targeting, "countries");
    if !lists(targeting, "forceIncludeUsers", user) && !countries.is_empty() {
        let rule = rule(countries, "country", user.country.map(str::to_uppercase), str::to_uppercase)?;
        if let Some(languages) = rule.get("languages").and_then(Value::as_array).filter(|languages| !languages.is_empty()) {
            self::rule(languages, "language", user.language.map(str::to_lowercase), str::to_lowercase)?;
        }
    }
    let place = percentage(text(experiment, "experimentKey"), user.id);
    let mut total = 0.0;
    let chosen = list(experiment, "trafficAllocation").iter().find(|share| {
        total += share["percentage"].as_f64().expect("a percentage");
        place < total
    });
    let variations = list(experiment, "variations");
    let known = chosen.map(|share| text(share, "variationKey"));
    let found = variations.iter().find(|variation| known == Some(text(variation, "key")));
    found.or(variations.last()).map(|variation| text(variation, "key").to_owned())
}

fn rule<'v>(rules: &'v [Value], name: &str, wanted: Option<String>, fold: fn(&str) -> String) -> Option<&'v Value> {
    let wanted = wanted.filter(|wanted| !wanted.is_empty())?;
    rules.iter().find(|rule| fold(text(rule, name)) == wanted)
}

fn lists(targeting: &Value, name: &str, user: User<'_>) -> bool {
    list(targeting, name).iter().any(|id| id == user.id)
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value[name].as_array().unwrap_or_else(|| panic!("{name} is missing in {value}"))
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} is missing in {value}"))
}

/// 0.00 to 99.99.
fn percentage(key: &str, user: &str) -> f64 {
    let mut hash = 5381_u32;
    for unit in format!("{key}:{user}").encode_utf16() {
        hash = hash.wrapping_mul(33) ^ u32::from(unit);
    }
    hash ^= hash >> 16;
    hash = hash.wrapping_mul(0x85EB_CA6B);
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(0xC2B2_AE35);
    hash ^= hash >> 16;
    f64::from(hash % 10_000) / 100.0
}

#[test]
fn the_hash_is_the_contracts() {
    assert!((percentage("dark-mode", "user-123") - 74.81).abs() < f64::EPSILON);
}
