//! Lists: newest first, by cursor.

use serde_json::{Value, json};

use crate::error::{ApiError, ApiResult};
use crate::form::Form;

/// Which part of a list is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    limit: usize,
    after: Option<String>,
    before: Option<String>,
}

impl Page {
    pub(crate) fn read(form: &mut Form) -> ApiResult<Self> {
        let limit = form.integer("limit")?.unwrap_or(10);
        let limit = usize::try_from(limit).ok().filter(|limit| (1..=100).contains(limit));
        let limit = limit.ok_or_else(|| ApiError::parameter("limit", "This value must be between 1 and 100."))?;
        let page = Self { limit, after: form.text("starting_after")?, before: form.text("ending_before")? };
        if page.after.is_some() && page.before.is_some() {
            return Err(ApiError::invalid("You may only specify one of these parameters: starting_after, ending_before."));
        }
        Ok(page)
    }

    /// The page of `ids`, which come newest first.
    pub(crate) fn cut(&self, url: &str, ids: &[String], render: impl Fn(&str) -> Value) -> ApiResult<Value> {
        let find = |param: &str, id: &String| {
            let missing = || ApiError::missing_in(param, "object", id);
            ids.iter().position(|other| other == id).ok_or_else(missing)
        };
        let (from, to) = match (&self.after, &self.before) {
            (Some(after), _) => (find("starting_after", after)? + 1, ids.len()),
            (None, Some(before)) => {
                let end = find("ending_before", before)?;
                (end.saturating_sub(self.limit), end)
            }
            (None, None) => (0, ids.len()),
        };
        let until = to.min(from + self.limit);
        let more = if self.before.is_some() { from > 0 } else { until < ids.len() };
        let data: Vec<Value> = ids[from..until].iter().map(|id| render(id)).collect();
        Ok(json!({"object": "list", "data": data, "has_more": more, "url": url}))
    }
}

/// A filter by time: one moment, or bounds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Range {
    least: Option<i64>,
    most: Option<i64>,
}

impl Range {
    pub(crate) fn read(form: &mut Form, key: &str) -> ApiResult<Self> {
        if let Ok(Some(exact)) = form.clone().integer(key) {
            form.ignore(&[key]);
            return Ok(Self { least: Some(exact), most: Some(exact) });
        }
        let mut bounds = form.branch(key)?;
        let least = [bounds.integer("gte")?, bounds.integer("gt")?.map(|bound| bound + 1)].into_iter().flatten().max();
        let most = [bounds.integer("lte")?, bounds.integer("lt")?.map(|bound| bound - 1)].into_iter().flatten().min();
        bounds.finish()?;
        Ok(Self { least, most })
    }

    pub(crate) fn has(self, moment: i64) -> bool {
        self.least.is_none_or(|least| least <= moment) && self.most.is_none_or(|most| moment <= most)
    }
}
