//! Finds the route of a path.
//!
//! A tree of segments rather than a list of patterns: the cost grows with the length of the path, not with the number of routes.
//! Literal segments match without regard to case, one trailing slash is tolerated, and a literal is preferred to a parameter; where
//! it leads nowhere the parameter is tried. That is how the original's router behaves.

use actix_web::http::Method;
use smallvec::SmallVec;

/// Index of a route in the table that the tree was built from.
pub(crate) type RouteIndex = usize;

/// The raw (still percent-encoded) values of a path's parameters, in order.
pub(crate) type RawParams<'p> = SmallVec<[&'p str; 5]>;

#[derive(Debug, Default)]
struct Node {
    literals: Vec<(&'static str, Node)>,
    parameter: Option<Box<Node>>,
    routes: Vec<(Method, RouteIndex)>,
}

/// The tree.
#[derive(Debug, Default)]
pub(crate) struct Router {
    root: Node,
}

impl Router {
    /// Adds a route. `{name}` segments are parameters.
    pub(crate) fn add(&mut self, method: Method, pattern: &'static str, index: RouteIndex) {
        let mut node = &mut self.root;
        for segment in segments(pattern) {
            node = if segment.starts_with('{') {
                node.parameter.get_or_insert_default()
            } else {
                let at = node.literals.iter().position(|(known, _)| *known == segment).unwrap_or_else(|| {
                    node.literals.push((segment, Node::default()));
                    node.literals.len() - 1
                });
                &mut node.literals[at].1
            };
        }
        assert!(node.routes.iter().all(|(known, _)| *known != method), "{method} {pattern} is routed twice");
        node.routes.push((method, index));
    }

    /// The route of `method` and `path`, with the raw values of its parameters.
    pub(crate) fn find<'p>(&self, method: &Method, path: &'p str) -> Option<(RouteIndex, RawParams<'p>)> {
        let path = path.strip_prefix('/')?;
        let path = path.strip_suffix('/').unwrap_or(path);
        let mut params = RawParams::new();
        let index = self.root.descend(method, Some(path), &mut params)?;
        Some((index, params))
    }
}

impl Node {
    fn descend<'p>(&self, method: &Method, rest: Option<&'p str>, params: &mut RawParams<'p>) -> Option<RouteIndex> {
        let Some(rest) = rest else {
            return self.routes.iter().find(|(known, _)| known == method).map(|(_, index)| *index);
        };
        let (segment, rest) = match rest.split_once('/') {
            Some((segment, rest)) => (segment, Some(rest)),
            None => (rest, None),
        };
        for (literal, node) in &self.literals {
            if literal.eq_ignore_ascii_case(segment)
                && let Some(index) = node.descend(method, rest, params)
            {
                return Some(index);
            }
        }
        let node = self.parameter.as_deref().filter(|_| !segment.is_empty())?;
        params.push(segment);
        let found = node.descend(method, rest, params);
        if found.is_none() {
            params.pop();
        }
        found
    }
}

fn segments(pattern: &'static str) -> impl Iterator<Item = &'static str> {
    pattern.strip_prefix('/').unwrap_or(pattern).split('/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn router() -> Router {
        let mut router = Router::default();
        let paths =
            ["/", "/health", "/p/{p}/configs", "/p/{p}/configs/list", "/p/{p}/configs/{k}", "/p/{p}/configs/{k}/versions"];
        for (index, path) in paths.into_iter().enumerate() {
            router.add(Method::GET, path, index);
        }
        router.add(Method::GET, "/users/me", 6);
        router.add(Method::DELETE, "/users/{id}", 7);
        router
    }

    fn find(path: &str) -> Option<(RouteIndex, Vec<&str>)> {
        router().find(&Method::GET, path).map(|(index, params)| (index, params.to_vec()))
    }

    #[test]
    fn literals_win_and_give_way() {
        assert_eq!(find("/p/web/configs/list"), Some((3, vec!["web"])));
        assert_eq!(find("/p/web/configs/title"), Some((4, vec!["web", "title"])));
        assert_eq!(find("/p/web/configs/list/versions"), Some((5, vec!["web", "list"])));
        let (index, params) = router().find(&Method::DELETE, "/users/me").unwrap();
        assert_eq!((index, params.as_slice()), (7, &["me"][..]));
    }

    #[test]
    fn case_and_one_trailing_slash_do_not_matter() {
        assert_eq!(find("/HEALTH/"), Some((1, vec![])));
        assert_eq!(find("/health//"), None);
        assert_eq!(find("/P/Web/Configs"), Some((2, vec!["Web"])));
        assert_eq!(find("/"), Some((0, vec![])));
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        for path in ["", "health", "/nope", "/p//configs", "/p/web", "/p/web/configs/a/b", "/health/x"] {
            assert_eq!(find(path), None, "{path}");
        }
        assert_eq!(router().find(&Method::POST, "/health"), None);
    }

    proptest! {
        #[test]
        fn any_path_is_answered(path in "[/a-zA-Z0-9%.{}]{0,60}") {
            let _ = find(&path);
        }
    }
}
