//! What a configuration may say of users where there is none but `default`, who may do everything.
//!
//! A server that its operator believes to be guarded must not run open. So a `user` line may stand only if what it says is so
//! anyway: that `default` is on and may do everything, as CONFIG REWRITE of Redis writes it into every file; if it gives a
//! password, `requirepass` must ask for one as well. Any other line stops the start, and an `aclfile` does.

/// A `user` line that may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// It asks for no password.
    Open,
    /// It gives a password, which is not looked at.
    Password,
}

/// Looks at the words of a `user` line; the error is the reason why it can't stand.
pub(super) fn line(words: &[&str]) -> Result<Line, String> {
    let (name, rules) = words.split_first().unwrap_or((&"", &[]));
    let says = |all: &[&str]| rules.iter().any(|rule| all.iter().any(|one| one.eq_ignore_ascii_case(rule)));
    let is_password = |rule: &&str| rule.starts_with(['>', '#']);
    let is_known =
        |rule: &&str| is_password(rule) || GRANTS.concat().iter().any(|one| one.eq_ignore_ascii_case(rule));
    let has_password = rules.iter().any(is_password);
    let grants_all = GRANTS[1..].iter().all(|all| says(all)) && (has_password || says(&["nopass"]));
    match (*name == "default" && rules.iter().all(is_known) && grants_all, has_password) {
        (true, true) => Ok(Line::Password),
        (true, false) => Ok(Line::Open),
        (false, _) => Err(format!(
            "There are no users here but 'default', who may do everything, so that what this line says of '{name}' would \
             not hold. Remove the line; 'requirepass' gives 'default' a password"
        )),
    }
}

/// Words that take nothing away. Of each group but the first, a user who may do everything has one.
const GRANTS: [&[&str]; 5] = [
    &["nopass", "sanitize-payload", "skip-sanitize-payload"],
    &["on"],
    &["~*", "%RW~*", "allkeys"],
    &["&*", "allchannels"],
    &["+@all", "allcommands"],
];

/// Looks at what is left when all is read: the reason why the server can't start, if there is one.
pub(super) fn refusal(aclfile: &str, has_password: bool, requirepass: &str) -> Option<String> {
    if !aclfile.is_empty() {
        return Some(format!(
            "'aclfile' names '{aclfile}', and there are no users here but 'default', who may do everything, so that \
             what the file says would not hold. Remove the directive; 'requirepass' gives 'default' a password"
        ));
    }
    (has_password && requirepass.is_empty()).then(|| {
        "'user default' gives a password, which here only 'requirepass' does, so that nobody would be asked for it. \
         Set 'requirepass'"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_may_stand_that_takes_nothing_from_the_one_user() {
        for (words, expected) in [
            ("default on nopass ~* &* +@all", Line::Open),
            ("default on nopass sanitize-payload ~* &* +@all", Line::Open),
            ("default ON NOPASS allkeys allchannels ALLCOMMANDS", Line::Open),
            ("default on #5e884898da28047151d0e56f8dc6292773603d0d ~* &* +@all", Line::Password),
            ("default on >secret %RW~* &* +@all", Line::Password),
            ("default on nopass >secret ~* &* +@all", Line::Password),
        ] {
            assert_eq!(line(&words.split(' ').collect::<Vec<_>>()), Ok(expected), "{words}");
        }
    }

    #[test]
    fn a_line_that_would_guard_something_can_not_stand() {
        for words in [
            "",
            "default",
            "default on",
            "default nopass ~* &* +@all",
            "default off nopass ~* &* +@all",
            "default on ~* &* +@all",
            "default on nopass &* +@all",
            "default on nopass ~* +@all",
            "default on nopass ~* &*",
            "default on nopass ~* &* +@all -@dangerous",
            "default on nopass ~* &* +@all -flushall",
            "default on nopass ~app:* &* +@all",
            "default on nopass ~* &* +@all resetkeys",
            "default on nopass ~* &* +@all reset",
            "default on nopass ~* &* +@all (+get ~k)",
            "Default on nopass ~* &* +@all",
            "alice on nopass ~* &* +@all",
            "alice on >hunter2 ~* &* +@all",
        ] {
            let words: Vec<&str> = words.split(' ').collect();
            let reason = line(&words).unwrap_err();
            assert!(reason.contains(&format!("what this line says of '{}'", words[0])), "{reason}");
            assert!(!reason.contains("hunter2"), "{reason}");
        }
        assert!(line(&[]).is_err());
    }

    #[test]
    fn a_file_of_users_or_a_password_for_nobody_can_not_stand() {
        assert_eq!(refusal("", false, ""), None);
        assert_eq!(refusal("", true, "secret"), None);
        assert!(refusal("", true, "").unwrap().contains("Set 'requirepass'"));
        assert!(refusal("/etc/users.acl", false, "secret").unwrap().contains("'/etc/users.acl'"));
    }
}
