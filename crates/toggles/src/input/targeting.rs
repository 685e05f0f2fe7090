//! Who is targeted, by country, language and user.

use togglebox_core::input::Reader;

use super::{MAX_LISTED_USERS, MAX_PARTS, any_text};
use crate::{CountryRule, ExperimentTargeting, FlagTargeting, LanguageRule, Side, TargetedCountry, TargetedLanguage};

/// A flag's targeting. Each of its lists may be left out.
pub(super) fn of_flag(place: &Reader<'_>) -> Option<FlagTargeting> {
    place.object()?;
    let countries = list(&place.field("countries"), MAX_PARTS, |rule| {
        rule.object()?;
        let country = country(&rule.field("country"));
        let serve_value = rule.field("serveValue").one_of(&Side::WORDS);
        let languages = rule.field("languages").optional(|languages| {
            languages.each_of_at_most(MAX_PARTS, |rule| {
                rule.object()?;
                let language = language(&rule.field("language"));
                let serve_value = rule.field("serveValue").one_of(&Side::WORDS);
                Some(LanguageRule { language: language?, serve_value: serve_value? })
            })
        });
        Some(CountryRule { country: country?, serve_value: serve_value?, languages: languages? })
    });
    let force_include_users = list(&place.field("forceIncludeUsers"), MAX_LISTED_USERS, any_text);
    let force_exclude_users = list(&place.field("forceExcludeUsers"), MAX_LISTED_USERS, any_text);
    Some(FlagTargeting {
        countries: countries?,
        force_include_users: force_include_users?,
        force_exclude_users: force_exclude_users?,
    })
}

/// An experiment's targeting. Each of its lists may be left out.
pub(super) fn of_experiment(place: &Reader<'_>) -> Option<ExperimentTargeting> {
    place.object()?;
    let countries = list(&place.field("countries"), MAX_PARTS, |target| {
        target.object()?;
        let country = country(&target.field("country"));
        let languages = target.field("languages").optional(|languages| {
            languages.each_of_at_most(MAX_PARTS, |target| {
                target.object()?;
                language(&target.field("language")).map(|language| TargetedLanguage { language })
            })
        });
        Some(TargetedCountry { country: country?, languages: languages? })
    });
    let force_include_users = list(&place.field("forceIncludeUsers"), MAX_LISTED_USERS, any_text);
    let force_exclude_users = list(&place.field("forceExcludeUsers"), MAX_LISTED_USERS, any_text);
    Some(ExperimentTargeting {
        countries: countries?,
        force_include_users: force_include_users?,
        force_exclude_users: force_exclude_users?,
    })
}

fn list<T>(place: &Reader<'_>, most: usize, read: impl FnMut(&Reader<'_>) -> Option<T>) -> Option<Vec<T>> {
    place.optional(|place| place.each_of_at_most(most, read)).map(Option::unwrap_or_default)
}

fn country(place: &Reader<'_>) -> Option<String> {
    place.text().length(2, "Country must be ISO-3166 2-letter code").owned()
}

fn language(place: &Reader<'_>) -> Option<String> {
    place.text().length(2, "Language must be ISO-639 2-letter code").owned()
}
