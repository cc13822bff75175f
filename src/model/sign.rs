//! AWS's signature of a request (version 4), by AWS's own crate.

use std::time::SystemTime;

use aws_credential_types::Credentials as AwsCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;

use super::provider::HttpCall;

/// The name by which the service is signed for.
const SERVICE: &str = "bedrock";

/// What a request is signed with.
pub(super) struct Signer<'a> {
    pub(super) access_key: &'a str,
    pub(super) secret_key: &'a str,
    pub(super) session: Option<&'a str>,
    pub(super) region: &'a str,
}

impl Signer<'_> {
    /// The headers that sign a call at this time.
    pub(super) fn headers(&self, call: &HttpCall, now: SystemTime) -> Result<Vec<(String, String)>, String> {
        let session = self.session.map(str::to_owned);
        let identity = AwsCredentials::new(self.access_key, self.secret_key, session, None, "promptctl").into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name(SERVICE)
            .time(now)
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| error.to_string())?
            .into();
        let signed = call.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        let signed = signed.map(|(name, value)| (name.as_str(), value.as_str()));
        let request = SignableRequest::new("POST", call.url.as_str(), signed, SignableBody::Bytes(&call.body))
            .map_err(|error| error.to_string())?;
        let (instructions, _) = sign(request, &params).map_err(|error| error.to_string())?.into_parts();
        Ok(instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// The dummies that AWS publishes.
    const ACCESS: &str = "AKIDEXAMPLE";
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    /// Known answers, computed with botocore.
    #[test]
    fn signatures_are_those_of_botocore() {
        let call = HttpCall {
            url: "https://bedrock-runtime.us-east-1.amazonaws.com/model/us.anthropic.claude-3-5-haiku-20241022-v1%3A0/converse".into(),
            headers: vec![("content-type".into(), "application/json".into())],
            body: br#"{"messages":[{"role":"user","content":[{"text":"hi"}]}]}"#.to_vec(),
        };
        // 2026-01-02T03:04:05Z
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_323_045);
        let known = [
            (None, "89f9d5c24c305a454a5ed8a1904cfb5e9691e31a3ca16c3cbd90b678825a4791"),
            (Some("TOKENEXAMPLE"), "dd23991f6f8942235cb0e87a29a961e83620f275b2d00ee4d1d94d281daab453"),
        ];
        for (session, signature) in known {
            let signer = Signer { access_key: ACCESS, secret_key: SECRET, session, region: "us-east-1" };
            let headers = signer.headers(&call, now).expect("signed");
            let value = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
            assert_eq!(value("x-amz-date"), Some("20260102T030405Z"));
            assert_eq!(value("x-amz-security-token"), session);
            let authorization = value("authorization").expect("signed");
            assert!(authorization.ends_with(&format!("Signature={signature}")), "{authorization}");
            assert!(!headers.iter().any(|(_, value)| value.contains(SECRET)));
        }
    }
}
