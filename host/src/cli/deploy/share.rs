//! Roll-out scope: parses `--canary`, `--canary-key` and `--max-failures`, and describes the scope in words.
//!
//! A number without a percent sign could be a share or a key, so it is rejected as ambiguous.

use highlander_core::catalog::rollout::RolloutScope;

use super::super::failure::Failure;

/// Returns the request parameters for these values of `--canary` and `--canary-key`.
pub(super) fn parameters(
    words: &[String],
    keys: &[String],
) -> Result<Vec<(&'static str, String)>, Failure> {
    let is_share = |word: &String| word.contains('%');
    match words {
        [] => {}
        [share] if is_share(share) && keys.is_empty() => {
            return Ok(vec![("canary", percent(share)?)]);
        }
        words if words.iter().any(is_share) => {
            let failure = Failure::usage("--canary takes one share or several keys, not both");
            return Err(failure.with_hint(
                "for a share: --canary 10%; for a key with a percent sign: --canary-key KEY",
            ));
        }
        [number] if number.parse::<f64>().is_ok() => {
            let text = format!(
                "--canary {number} is ambiguous: it may be a share without its percent sign, or a key"
            );
            let of_share = match percent(&format!("{number}%")) {
                Ok(_) => format!("for {number} % of the objects: --canary {number}%"),
                Err(_) => "a share is a whole number from 1% to 99%".to_owned(),
            };
            return Err(Failure::usage(text).with_hint(format!(
                "{of_share}; for the object with this key: --canary-key {number}"
            )));
        }
        _ => {}
    }
    Ok(words.iter().chain(keys).map(|key| ("canary_key", key.clone())).collect())
}

fn percent(text: &str) -> Result<String, Failure> {
    let number = text.strip_suffix('%').map(str::trim_end);
    let percent = number.and_then(|number| number.parse::<u8>().ok());
    let percent = percent.filter(|percent| (1..=99).contains(percent)).ok_or_else(|| {
        Failure::usage(format!(
            "--canary {text} is not a valid share; expected a whole number from 1% to 99%"
        ))
        .with_hint("to deploy for all objects, leave --canary out")
    })?;
    Ok(format!("{percent}%"))
}

/// Parses `--max-failures`: `none`, or a percentage with at most one decimal place.
pub(super) fn max_failures(text: &str) -> Result<String, String> {
    let is_digits = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let Some(number) = text.strip_suffix('%') else {
        let lacks_sign = max_failures(&format!("{text}%")).is_ok();
        return match (text, lacks_sign) {
            ("none", _) => Ok(text.to_owned()),
            (number, true) => Err(format!("the percent sign is missing: {number}%")),
            _ => Err("expected a share, such as 1% or 0.5%, or none".to_owned()),
        };
    };
    let is_exact = match number.split_once('.') {
        Some((whole, tenths)) => is_digits(whole) && is_digits(tenths) && tenths.len() == 1,
        None => is_digits(number),
    };
    let is_share = number.parse::<f64>().is_ok_and(|percent| percent <= 100.0);
    let range = "expected a share from 0% to 100% with at most one decimal place, such as 0.5%";
    if is_exact && is_share { Ok(text.to_owned()) } else { Err(range.to_owned()) }
}

/// Describes the objects in scope, or returns `None` for all: `for 10 % of the objects`.
pub(super) fn objects(share: &RolloutScope) -> Option<String> {
    match share {
        RolloutScope::All => None,
        RolloutScope::Percent(percent) => Some(format!("for {percent} % of the objects")),
        RolloutScope::Keys(keys) => match keys.as_slice() {
            [key] => Some(format!("for the object {key}")),
            keys => Some(format!("for {} objects", keys.len())),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str], keys: &[&str]) -> Result<Vec<(&'static str, String)>, String> {
        let owned =
            |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        parameters(&owned(words), &owned(keys))
            .map_err(|failure| failure.hint.unwrap_or(failure.message))
    }

    #[test]
    fn a_number_without_percent_sign_is_refused_with_both_spellings() {
        for (number, is_share) in [("10", true), ("0.5", false), ("100", false), ("1e1", false)] {
            let hint = read(&[number], &[]).unwrap_err();
            assert!(hint.contains(&format!("--canary-key {number}")), "{hint}");
            // No spelling is advised that would be refused.
            let spelling = format!("{number}%");
            assert_eq!(hint.contains(&format!("--canary {spelling}")), is_share, "{hint}");
            assert_eq!(read(&[&spelling], &[]).is_ok(), is_share, "{hint}");
        }
    }

    #[test]
    fn a_share_is_a_whole_percentage_that_stands_alone() {
        for words in [&["0%"][..], &["100%"], &["10.5%"], &["%"], &["-1%"], &["x%"], &["10%", "a"]]
        {
            assert!(read(words, &[]).is_err(), "{words:?}");
        }
        assert!(read(&["10%"], &["a"]).is_err());
        assert_eq!(read(&["10 %"], &[]), Ok(vec![("canary", "10%".to_owned())]));
    }

    #[test]
    fn keys_are_words_and_whatever_is_named_as_a_key() {
        let keys = |keys: &[&str]| {
            Ok(keys.iter().map(|key| ("canary_key", (*key).to_owned())).collect::<Vec<_>>())
        };
        assert_eq!(read(&[], &[]), keys(&[]));
        assert_eq!(read(&["a"], &[]), keys(&["a"]));
        assert_eq!(read(&["1", "2"], &[]), keys(&["1", "2"]));
        assert_eq!(read(&[], &["10", "5%"]), keys(&["10", "5%"]));
        assert_eq!(read(&["a"], &["10"]), keys(&["a", "10"]));
    }

    #[test]
    fn failures_are_a_share_in_tenths_of_a_percent() {
        for good in ["none", "1%", "0.5%", "0%", "100%"] {
            assert_eq!(max_failures(good), Ok(good.to_owned()));
        }
        for bad in ["1", "0.01%", "101%", "-1%", "1e1%", "%", "all", "inf%", ""] {
            assert!(max_failures(bad).is_err(), "{bad}");
        }
        assert_eq!(max_failures("2.5").unwrap_err(), "the percent sign is missing: 2.5%");
        for no_share in ["NaN", "inf", "-1", "1e1", "101", "0.01"] {
            let why = max_failures(no_share).unwrap_err();
            assert!(why.starts_with("expected a share"), "{no_share}: {why}");
        }
    }
}
