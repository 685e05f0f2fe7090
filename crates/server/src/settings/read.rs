//! Reads texts, and collects what is wrong with them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use config::{Config, File, FileFormat};

use super::environment::Environment;
use super::names::{self, Setting};

/// Everything that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Problems(Vec<String>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the configuration has {} problem{}:", self.0.len(), if self.0.len() == 1 { "" } else { "s" })?;
        for problem in &self.0 {
            writeln!(f, "  - {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl Problems {
    pub(super) fn add(&mut self, problem: impl Into<String>) {
        self.0.push(problem.into());
    }

    /// `value` when nothing is wrong.
    pub(super) fn finish<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }
}

/// The texts of all settings, and the problems found in them so far. Empty texts count as absent.
#[derive(Debug)]
pub(super) struct Texts {
    values: BTreeMap<String, String>,
    /// Settings that there are beside those of every program.
    more: &'static [Setting],
    /// The file that was read.
    pub(super) file: Option<PathBuf>,
    /// Settings of the original that were given and have no effect.
    pub(super) ignored: Vec<&'static str>,
    pub(super) problems: Problems,
}

impl Texts {
    /// From a file, if there is one, and the environment, which wins.
    pub(super) fn gather(environment: &Environment) -> Self {
        Self::gather_with(environment, &[])
    }

    /// The same, where there are more settings than those of every program.
    pub(super) fn gather_with(environment: &Environment, more: &'static [Setting]) -> Self {
        let named = environment.get(names::CONFIG_FILE).map(PathBuf::from);
        let file = named.or_else(|| Some(PathBuf::from("togglebox.toml")).filter(|path| path.is_file()));
        let mut texts = Self { values: BTreeMap::new(), more, file, ignored: Vec::new(), problems: Problems::default() };
        if let Some(path) = texts.file.clone() {
            texts.add_file(&path);
        }
        let ours = names::all().iter().chain(more).map(|setting| setting.name);
        for name in ours.clone().chain([names::CONFIG_FILE]).filter(|name| environment.is_garbled(name)) {
            texts.problems.add(format!("{name} is not UTF-8 text"));
        }
        for (name, text) in ours.filter_map(|name| Some((name, environment.get(name)?))) {
            texts.values.insert(name.to_owned(), text.to_owned());
        }
        for name in more.iter().filter_map(Setting::family).flat_map(|prefix| environment.names_with(prefix)) {
            match environment.get(name) {
                Some(text) => drop(texts.values.insert(name.to_owned(), text.to_owned())),
                None => texts.problems.add(format!("{name} is not UTF-8 text")),
            }
        }
        texts.ignored.extend(names::IGNORED.iter().filter(|name| environment.get(name).is_some()));
        texts
    }

    fn add_file(&mut self, path: &Path) {
        let file = Config::builder().add_source(File::from(path).format(FileFormat::Toml)).build();
        let values = match file.and_then(Config::try_deserialize::<BTreeMap<String, config::Value>>) {
            Ok(values) => values,
            // The first line says where. The others quote the file, and with it perhaps a secret.
            Err(error) => {
                let error = error.to_string();
                return self.problems.add(format!("{}: {}", path.display(), error.lines().next().unwrap_or_default()));
            }
        };
        for (key, value) in values {
            let name = key.to_ascii_uppercase();
            if let Some(name) = names::IGNORED.iter().find(|ignored| **ignored == name) {
                self.ignored.push(name);
                continue;
            }
            let is_ours =
                |setting: &Setting| setting.name == name || setting.family().is_some_and(|prefix| name.starts_with(prefix));
            if !names::all().iter().chain(self.more).any(is_ours) {
                self.problems.add(format!("{}: there is no setting {key}", path.display()));
                continue;
            }
            match value.into_string() {
                Ok(text) if text.trim().is_empty() => {}
                Ok(text) => {
                    self.values.insert(name, text.trim().to_owned());
                }
                Err(_) => self.problems.add(format!("{}: {key} must be a text, number or boolean", path.display())),
            }
        }
    }

    pub(super) fn get(&self, name: &'static str) -> Option<&str> {
        let mut known = names::all().iter().chain(self.more);
        debug_assert!(known.any(|setting| setting.name == name), "{name} is not in the table of settings");
        self.values.get(name).map(String::as_str)
    }

    /// Those of a family, by their names: all that begin with `prefix` and are not settings of their own.
    #[cfg(feature = "cloud")]
    pub(super) fn family(&self, prefix: &str) -> Vec<(String, String)> {
        let own = |name: &str| names::all().iter().chain(self.more).any(|setting| setting.name == name);
        let found = self.values.iter().filter(|(name, _)| name.starts_with(prefix) && !own(name));
        found.map(|(name, text)| (name.clone(), text.clone())).collect()
    }

    /// The setting read with `read`, which says what is allowed instead; `default` when it is absent or wrong.
    pub(super) fn read<T>(&mut self, name: &'static str, default: T, read: impl FnOnce(&str) -> Result<T, String>) -> T {
        match self.get(name).map(read) {
            None => default,
            Some(Ok(value)) => value,
            Some(Err(allowed)) => {
                // Never the value itself: it may be a secret in the wrong place.
                self.problems.add(format!("{name} must be {allowed}"));
                default
            }
        }
    }
}

pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("true or false".to_owned()),
    }
}

pub(super) fn number(range: std::ops::RangeInclusive<u64>) -> impl FnOnce(&str) -> Result<u64, String> {
    move |text| {
        let value = text.parse().ok().filter(|value| range.contains(value));
        value.ok_or_else(|| format!("a whole number from {} to {}", range.start(), range.end()))
    }
}

pub(super) fn word<T: Copy>(allowed: &[(&'static str, T)]) -> impl FnOnce(&str) -> Result<T, String> {
    let allowed = allowed.to_vec();
    move |text| {
        let found = allowed.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        found.ok_or_else(|| {
            let words: Vec<_> = allowed.iter().map(|(word, _)| *word).collect();
            format!("one of {}", words.join(", "))
        })
    }
}

/// A number with a unit. The original read bare digits as milliseconds, which nobody means.
pub(super) fn duration(least: Duration, most: Duration) -> impl FnOnce(&str) -> Result<Duration, String> {
    move |text| {
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let unit = match text[end..].trim() {
            "s" => Some(1),
            "m" => Some(60),
            "h" => Some(3600),
            "d" => Some(86_400),
            "w" => Some(604_800),
            _ => None,
        };
        let seconds = text[..end].parse::<u64>().ok().zip(unit).and_then(|(count, unit)| count.checked_mul(unit));
        let value = seconds.map(Duration::from_secs).filter(|value| (least..=most).contains(value));
        value.ok_or_else(|| {
            format!("a whole number with a unit (s, m, h, d, w) between {}s and {}s", least.as_secs(), most.as_secs())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        let read = |text: &str| duration(Duration::from_secs(1), Duration::from_hours(24 * 365))(text).ok();
        assert_eq!(read("24h"), Some(Duration::from_hours(24)));
        assert_eq!(read("7d"), Some(Duration::from_hours(168)));
        assert_eq!(read("90 s"), Some(Duration::from_secs(90)));
        for bad in ["3600", "", "h", "-1h", "1.5h", "0s", "99999999999999999999w", "400d", "1y"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
