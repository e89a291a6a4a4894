//! Command-line arguments: flags, `--name value` (or `--name=value`), and what is left.

use crate::{Failure, Outcome};

/// The arguments of a verb, taken one by one; what is left over at the end is a mistake of the caller.
pub(crate) struct Args(Vec<String>);

impl Args {
    pub(crate) const fn new(arguments: Vec<String>) -> Self {
        Self(arguments)
    }

    /// Whether the flag was given.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|argument| argument != name);
        self.0.len() != before
    }

    /// The value of an option, or `None` when it was not given.
    pub(crate) fn value(&mut self, name: &str) -> Outcome<Option<String>> {
        let prefix = format!("{name}=");
        let Some(at) = self.0.iter().position(|a| a == name || a.starts_with(&prefix)) else {
            return Ok(None);
        };
        let argument = self.0.remove(at);
        if let Some(value) = argument.strip_prefix(&prefix) {
            return Ok(Some(value.to_owned()));
        }
        if at < self.0.len() {
            Ok(Some(self.0.remove(at)))
        } else {
            Err(Failure::Usage(format!("{name} needs a value.")))
        }
    }

    /// Everything that is not a flag, in order; a flag that nobody asked for is refused.
    pub(crate) fn rest(self) -> Outcome<Vec<String>> {
        match self.0.iter().find(|argument| argument.starts_with('-')) {
            Some(unknown) => Err(Failure::Usage(format!("There is no option `{unknown}`."))),
            None => Ok(self.0),
        }
    }

    /// Refuses whatever is left.
    pub(crate) fn end(self) -> Outcome {
        match self.rest()?.first() {
            Some(extra) => Err(Failure::Usage(format!("`{extra}` is one argument too many."))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(words: &[&str]) -> Args {
        Args::new(words.iter().map(|&w| w.to_owned()).collect())
    }

    #[test]
    fn flags_values_and_the_rest_are_told_apart() {
        let mut a = args(&["--check", "one", "--prefix", "/p", "--destdir=/d", "two"]);
        assert!(a.flag("--check"));
        assert!(!a.flag("--check"));
        assert_eq!(a.value("--prefix").unwrap().as_deref(), Some("/p"));
        assert_eq!(a.value("--destdir").unwrap().as_deref(), Some("/d"));
        assert_eq!(a.value("--other").unwrap(), None);
        assert_eq!(a.rest().unwrap(), ["one", "two"]);
    }

    #[test]
    fn what_nobody_asked_for_is_a_usage_error() {
        assert!(matches!(args(&["--chekc"]).end(), Err(Failure::Usage(_))));
        assert!(matches!(args(&["extra"]).end(), Err(Failure::Usage(_))));
        assert!(matches!(args(&["--prefix"]).value("--prefix"), Err(Failure::Usage(_))));
    }
}
