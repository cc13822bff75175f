//! Keys: which variables hold them, and what is sent of them.

use super::hosts::is_home;
use super::provider::key_of;
use crate::core::redact::Secrets;
use crate::project::ModelEntry;

/// The value of a variable of the environment.
pub type Variables<'a> = &'a (dyn Fn(&str) -> Option<String> + Sync);

/// Where the key of a protocol is, when a model entry names no variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyOf {
    /// In this variable, for the vendor's own server; another server is never sent it unasked.
    Vendor(&'static str),
    /// In this variable, wherever the server is.
    Always(&'static str),
    /// A bearer token of Bedrock, or AWS's usual variables, with which requests are signed.
    Aws,
    /// There is none.
    None,
}

pub(super) const BEARER: &str = "AWS_BEARER_TOKEN_BEDROCK";
const ACCESS_KEY: &str = "AWS_ACCESS_KEY_ID";
const SECRET_KEY: &str = "AWS_SECRET_ACCESS_KEY";
const SESSION: &str = "AWS_SESSION_TOKEN";

/// What proves to a server who asks.
#[derive(Clone)]
pub(super) enum Credentials {
    None,
    /// A key, and the variable that it stands in.
    Key {
        variable: String,
        value: String,
    },
    /// What requests to AWS are signed with.
    Aws {
        access_key: String,
        secret_key: String,
        session: Option<String>,
    },
}

/// The one variable that holds a model's key; `None` where there is none, or several.
fn key_variable(entry: &ModelEntry) -> Option<String> {
    match (&entry.api_key_env, key_of(entry)) {
        (Some(name), _) => Some(name.clone()),
        (None, KeyOf::Vendor(name)) if entry.base_url.as_ref().is_none_or(|url| is_home(name, url)) => {
            Some(name.to_owned())
        }
        (None, KeyOf::Always(name)) => Some(name.to_owned()),
        (None, _) => None,
    }
}

/// Every variable that may hold a secret of this model.
#[must_use]
pub fn secret_variables(entry: &ModelEntry) -> Vec<String> {
    match (key_variable(entry), key_of(entry)) {
        (Some(name), _) => vec![name],
        (None, KeyOf::Aws) => [BEARER, ACCESS_KEY, SECRET_KEY, SESSION].map(str::to_owned).to_vec(),
        (None, _) => Vec::new(),
    }
}

/// The variables that must be set before this model can be asked, in words; `None` where nothing is missing.
#[must_use]
pub fn missing_credentials(entry: &ModelEntry, variables: Variables<'_>) -> Option<String> {
    Credentials::of(entry, variables).err()
}

impl Credentials {
    /// The credentials of a model; `Err` names what is not set.
    pub(super) fn of(entry: &ModelEntry, variables: Variables<'_>) -> Result<Self, String> {
        let read = |name: &str| variables(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        if let Some(variable) = key_variable(entry) {
            return match read(&variable) {
                Some(value) => Ok(Self::Key { variable, value }),
                None => Err(variable),
            };
        }
        if key_of(entry) != KeyOf::Aws {
            return Ok(Self::None);
        }
        if let Some(value) = read(BEARER) {
            return Ok(Self::Key { variable: BEARER.to_owned(), value });
        }
        match (read(ACCESS_KEY), read(SECRET_KEY)) {
            (Some(access_key), Some(secret_key)) => Ok(Self::Aws { access_key, secret_key, session: read(SESSION) }),
            (Some(_), None) => Err(SECRET_KEY.to_owned()),
            (None, _) => Err(format!("{BEARER} (or {ACCESS_KEY} with {SECRET_KEY})")),
        }
    }

    /// The variables that are made use of, whose vendors may be known.
    pub(super) fn variables(&self) -> Vec<&str> {
        match self {
            Self::None => Vec::new(),
            Self::Key { variable, .. } => vec![variable],
            Self::Aws { .. } => vec![SECRET_KEY],
        }
    }

    /// The values that nobody must see.
    pub(super) fn secrets(&self) -> Secrets {
        let mut secrets = Secrets::default();
        match self {
            Self::None => {}
            Self::Key { variable, value } => secrets.add(variable, value),
            Self::Aws { access_key, secret_key, session } => {
                secrets.add(ACCESS_KEY, access_key);
                secrets.add(SECRET_KEY, secret_key);
                if let Some(session) = session {
                    secrets.add(SESSION, session);
                }
            }
        }
        secrets
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tests::entry;

    fn of(entry: &ModelEntry, set: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let variables = |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Credentials::of(entry, &variables).map(|found| found.variables().into_iter().map(str::to_owned).collect())
    }

    #[test]
    fn the_vendors_key_stays_with_the_vendor() {
        let own = entry("provider: openai\n");
        assert_eq!(of(&own, &[("OPENAI_API_KEY", "k")]), Ok(vec!["OPENAI_API_KEY".to_owned()]));
        assert_eq!(of(&own, &[]), Err("OPENAI_API_KEY".to_owned()));
        let other = entry("provider: openai\nbase-url: http://127.0.0.1:1/v1\n");
        assert_eq!(of(&other, &[("OPENAI_API_KEY", "k")]), Ok(Vec::new()));
        let written_out = entry("provider: openai\nbase-url: https://api.openai.com/v1\n");
        assert_eq!(of(&written_out, &[]), Err("OPENAI_API_KEY".to_owned()));
    }

    #[test]
    fn aws_has_two_ways() {
        let bedrock = entry("provider: bedrock\nregion: us-east-1\n");
        assert_eq!(of(&bedrock, &[("AWS_BEARER_TOKEN_BEDROCK", "k")]), Ok(vec![BEARER.to_owned()]));
        let pair = [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "s")];
        assert_eq!(of(&bedrock, &pair), Ok(vec![SECRET_KEY.to_owned()]));
        assert_eq!(of(&bedrock, &pair[..1]), Err(SECRET_KEY.to_owned()));
        assert!(of(&bedrock, &[]).is_err_and(|what| what.contains(BEARER)));
        assert_eq!(secret_variables(&bedrock).len(), 4);
    }
}
