//! Every paged list, in every way in which it can be asked for in parts.

use std::collections::BTreeSet;

use secrecy::SecretString;
use serde_json::Value;

use super::rig::{Plan, Rig};
use crate::paging::PageTokens;
use crate::routes::table;

/// Paths of every list that goes on by `nextToken`, as the route table has them, with filters where there are any.
fn lists() -> Vec<String> {
    let paged = |name: &'static str| {
        let named = move |route: &crate::route::Route| route.query.iter().any(|parameter| parameter.name == name);
        table().into_iter().filter(named)
    };
    let path = |path: &str| path.replace("{platform}", "web").replace("{environment}", "prod");
    let mut lists: Vec<String> = paged("nextToken").map(|route| format!("{}?", path(route.path))).collect();
    lists.extend(paged("status").map(|route| format!("{}?status=draft", path(route.path))));
    lists.extend(paged("target").map(|route| format!("{}?platform=web", path(route.path))));
    lists
}

fn items(answer: &Value) -> Vec<Value> {
    answer["data"].as_array().unwrap().clone()
}

/// The token is called `nextToken` in some answers, and `nextCursor` in others.
fn next(answer: &Value) -> Option<String> {
    let meta = &answer["meta"];
    meta["nextToken"].as_str().or_else(|| meta["nextCursor"].as_str()).map(str::to_owned)
}

async fn first_token(rig: &Rig, list: &str) -> String {
    let page = rig.get(&format!("{list}&limit=1&nextToken=")).await.expect(200).json();
    next(&page).unwrap_or_else(|| panic!("{list} has one page only"))
}

#[actix_web::test]
async fn tokens_lead_through_every_list_once() {
    let rig = Rig::new().await;
    rig.furnish().await;
    assert!(lists().len() >= 8, "{:?}", lists());
    for list in lists() {
        let whole = items(&rig.get(&format!("{list}&limit=100&nextToken=")).await.expect(200).json());
        for limit in [1, 2, 3] {
            let (mut seen, mut token, mut pages) = (Vec::new(), String::new(), 0);
            loop {
                let page = rig.get(&format!("{list}&limit={limit}&nextToken={token}")).await.expect(200).json();
                let found = items(&page);
                assert!(found.len() <= limit, "{list}");
                seen.extend(found);
                pages += 1;
                let next = next(&page);
                assert_eq!(page["meta"]["hasMore"], next.is_some(), "{list}");
                match next {
                    Some(next) => token = next,
                    None => break,
                }
            }
            assert_eq!(seen, whole, "{list}");
            assert_eq!(pages, whole.len().div_ceil(limit).max(1), "{list}");
        }
    }
}

#[actix_web::test]
async fn numbers_and_offsets_lead_through_the_lists_that_know_them() {
    let rig = Rig::new().await;
    rig.furnish().await;
    let numbered =
        lists().into_iter().filter(|list| ["platforms?", "environments?", "list?"].iter().any(|end| list.ends_with(end)));
    let mut tried = 0;
    for list in numbered {
        let whole = items(&rig.get(&list).await.expect(200).json());
        let (mut by_page, mut by_offset) = (Vec::new(), Vec::new());
        for n in 0..whole.len().div_ceil(2) {
            let page = rig.get(&format!("{list}&page={}&perPage=2", n + 1)).await.expect(200).json();
            assert_eq!(
                (page["meta"]["total"].as_u64(), page["meta"]["page"].as_u64()),
                (Some(whole.len() as u64), Some(n as u64 + 1))
            );
            by_page.extend(items(&page));
            by_offset.extend(items(&rig.get(&format!("{list}&limit=2&offset={}", 2 * n)).await.expect(200).json()));
        }
        assert_eq!((&by_page, &by_offset), (&whole, &whole), "{list}");
        // A page by number names where the next one begins, too.
        let first = rig.get(&format!("{list}&page=1&perPage=1")).await.json();
        let second = rig.get(&format!("{list}&nextToken={}", next(&first).unwrap())).await.expect(200).json();
        assert_eq!(items(&second), whole[1..], "{list}");
        tried += 1;
    }
    assert!(tried >= 4, "only {tried}");
}

#[actix_web::test]
async fn a_token_fits_its_own_list_and_filters_only() {
    let rig = Rig::new().await;
    rig.furnish().await;
    let mut tokens = Vec::new();
    for list in lists() {
        tokens.push((list.clone(), first_token(&rig, &list).await));
    }
    let elsewhere = lists().into_iter().map(|list| list.replace("/web/", "/ios/"));
    let dev = lists().into_iter().map(|list| list.replace("/prod/", "/dev/"));
    let targets: BTreeSet<String> = lists().into_iter().chain(elsewhere).chain(dev).collect();
    for target in targets {
        for (list, token) in &tokens {
            let answer = rig.get(&format!("{target}&nextToken={token}")).await;
            // The two lists of parameters are one list, for two kinds of callers.
            if target.replace("/internal", "") == list.replace("/internal", "") {
                answer.expect(200);
                let cut =
                    [&token[2..], &token[..token.len() - 2], &token[..token.len() - 1], &token[..10], "abc", "zz", "%00%01"];
                for cut in cut {
                    refused(&rig, &format!("{target}&nextToken={cut}")).await;
                }
                let last = token.chars().last().unwrap();
                let other = if last == '0' { '1' } else { '0' };
                refused(&rig, &format!("{target}&nextToken={}{other}", &token[..token.len() - 1])).await;
            } else {
                refused(&rig, &format!("{target}&nextToken={token}")).await;
            }
        }
    }
}

#[actix_web::test]
async fn a_token_cut_off_anywhere_or_altered_in_one_bit_is_refused() {
    let rig = Rig::new().await;
    rig.furnish().await;
    for list in lists() {
        let token = first_token(&rig, &list).await;
        // Nothing at all is the first page.
        for length in 1..token.len() {
            refused(&rig, &format!("{list}&nextToken={}", &token[..length])).await;
        }
        for (at, byte) in token.bytes().enumerate() {
            for altered in (0..8).map(|bit| byte ^ (1 << bit)) {
                // As a client has to write it; what is no text is refused as that.
                let (before, after) = (&token[..at], &token[at + 1..]);
                let answer = rig.get(&format!("{list}&nextToken={before}%{altered:02x}{after}")).await;
                assert_eq!(answer.status, 400, "{list}: {altered:02x} for {byte:02x} at {at}");
                assert!(altered > 0x7f || answer.json()["code"] == "INVALID_PAGE_TOKEN", "{list}");
            }
        }
    }
}

async fn refused(rig: &Rig, path: &str) {
    let answer = rig.get(path).await;
    assert_eq!(answer.status, 400, "{path}");
    let body = answer.json();
    assert_eq!(body["code"], "INVALID_PAGE_TOKEN", "{path}");
    let told = body["details"][0].as_str().unwrap();
    assert!(told.starts_with("nextToken: "), "{told}");
}

#[actix_web::test]
async fn tokens_outlive_the_replacement_of_the_secret() {
    let (old, new) = (SecretString::from("an old secret"), SecretString::from("a new secret"));
    let plan = |page_tokens| Plan { page_tokens, ..Plan::default() };
    let before = Rig::with(plan(PageTokens::derived(&old, &[]))).await;
    before.furnish().await;
    let during = before.beside(plan(PageTokens::derived(&new, std::slice::from_ref(&old)))).await;
    let after = before.beside(plan(PageTokens::derived(&new, &[]))).await;
    for list in lists() {
        let token = first_token(&before, &list).await;
        let path = format!("{list}&limit=1&nextToken={token}");
        let second = before.get(&path).await.expect(200).json();
        let continued = during.get(&path).await.expect(200).json();
        assert_eq!(items(&continued), items(&second), "{list}");
        refused(&after, &path).await;
        if let Some(next) = next(&continued) {
            after.get(&format!("{list}&nextToken={next}")).await.expect(200);
            refused(&before, &format!("{list}&nextToken={next}")).await;
        }
    }
}

#[actix_web::test]
async fn a_page_that_names_a_token_of_another_key_is_not_said_to_be_good() {
    let one = Rig::new().await;
    one.furnish().await;
    let two = one.beside(Plan { page_tokens: PageTokens::new([9; 32]), ..Plan::default() }).await;
    let mut tried = 0;
    for list in lists() {
        let path = format!("{list}&limit=1");
        let page = one.get(&path).await;
        let Some(tag) = page.header("etag") else { continue };
        let again = async |rig: &Rig| rig.send("GET".parse().unwrap(), &path, None, &[("if-none-match", tag)]).await;
        assert_eq!(again(&one).await.status, 304, "{list}");
        assert_eq!(again(&two).await.status, 200, "{list}");
        tried += 1;
    }
    assert!(tried >= 5, "only {tried}");
}
