//! Azure OpenAI: Chat Completions under a deployment's address, with the key in `api-key`.
//!
//! With `api-version` the dated form (`{base}/openai/deployments/{deployment}/chat/completions?api-version=…`), without
//! it the newer one (`{base}/openai/v1/chat/completions`); embeddings the same way. Source: Microsoft's REST reference of
//! the service.

use reqwest::Url;
use serde_json::{Map, Value};

use super::embedding::Embeds;
use super::fault::Fault;
use super::openai::{Chat, MAX_TOKENS_NAME, embeddings_body, parse_embedding};
use super::provider::{Building, Exchange, KeyHeader, Provider, Reply};
use super::wire::{BODY, Endpoint, HEADERS};
use crate::core::record::{Request, Response};

/// The keys of a model entry that only this provider knows.
pub(super) const OPTIONS: [&str; 5] = [HEADERS, BODY, MAX_TOKENS_NAME, "deployment", "api-version"];

struct Azure {
    endpoint: Endpoint,
    chat: Chat,
    deployment: Option<String>,
    version: Option<String>,
}

pub(super) fn build(building: &mut Building<'_, '_>) -> Option<Box<dyn Provider>> {
    let from_outside = building.variable("AZURE_OPENAI_ENDPOINT").map(|url| url.trim_end_matches('/').to_owned());
    if building.entry.base_url.is_none() && from_outside.is_none() && building.variables.is_some() {
        let message = format!("the model `{}` does not say where its server is", building.entry.alias);
        building.wrong(message, "write `base-url: https://NAME.openai.azure.com`, or set AZURE_OPENAI_ENDPOINT");
        return None;
    }
    let mut text = |name: &str| match building.option(name) {
        Some(node) => building.decoder().text(node, name).map(Some),
        None => Some(None),
    };
    let (deployment, version) = (text("deployment")?, text("api-version")?);
    let endpoint = Endpoint::read(building, &from_outside.unwrap_or_default())?;
    Some(Box::new(Azure { endpoint, chat: Chat::read(building)?, deployment, version }))
}

impl Azure {
    fn url(&self, model: &str, operation: &[&str]) -> String {
        let base = self.endpoint.base.trim_end_matches("/openai/v1").trim_end_matches("/openai");
        let Some(version) = &self.version else { return format!("{base}/openai/v1/{}", operation.join("/")) };
        let deployment = self.deployment.as_deref().unwrap_or(model);
        let Ok(mut url) = Url::parse(base) else { return base.to_owned() };
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["openai", "deployments", deployment]).extend(operation);
        }
        url.query_pairs_mut().append_pair("api-version", version);
        url.into()
    }
}

impl Azure {
    fn call(&self, request: &Request, operation: &[&str], mut body: Map<String, Value>) -> Exchange {
        // Without a dated version the deployment is named as the model.
        if let Some(deployment) = &self.deployment {
            body.insert("model".into(), deployment.as_str().into());
        }
        Exchange::Http(self.endpoint.call(self.url(&request.model, operation), body))
    }
}

impl Embeds for Azure {
    fn exchange(&self, request: &Request, _attempt: u32) -> Exchange {
        self.call(request, &["embeddings"], embeddings_body(request))
    }

    fn parse(&self, request: &Request, reply: &Reply) -> Result<Response, Fault> {
        parse_embedding(&self.endpoint, request, reply)
    }
}

impl Provider for Azure {
    fn exchange(&self, request: &Request, _sample: u32, _attempt: u32) -> Exchange {
        self.call(request, &["chat", "completions"], self.chat.body(request))
    }

    fn host(&self) -> Option<String> {
        self.endpoint.host()
    }

    fn key_header(&self) -> KeyHeader {
        KeyHeader::Named("api-key".to_owned())
    }

    fn cannot(&self, request: &Request) -> Option<String> {
        Chat::cannot(request)
    }

    fn embeds(&self) -> Option<&dyn Embeds> {
        Some(self)
    }

    fn parse(&self, reply: &Reply) -> Result<Response, Fault> {
        Chat::parse(&self.endpoint, reply)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tests::{provider, request, sent};

    #[test]
    fn the_address_has_two_forms() {
        let dated = provider(
            "provider: azure-openai\nmodel: gpt-4o\nbase-url: https://n.openai.azure.com\ndeployment: my dep\napi-version: 2024-10-21\n",
        );
        let (url, _, body) = sent(&*dated, &request("gpt-4o"));
        assert_eq!(
            url,
            "https://n.openai.azure.com/openai/deployments/my%20dep/chat/completions?api-version=2024-10-21"
        );
        assert_eq!(body["model"], "my dep");
        let newer = provider("provider: azure-openai\nbase-url: https://n.openai.azure.com/openai/v1/\n");
        assert_eq!(sent(&*newer, &request("gpt-4o")).0, "https://n.openai.azure.com/openai/v1/chat/completions");
    }

    #[test]
    fn a_filtered_prompt_is_an_answer() {
        let azure = provider("provider: azure-openai\nbase-url: https://n.openai.azure.com\n");
        let body = br#"{"error":{"message":"The response was filtered","type":null,"param":"prompt","code":"content_filter","status":400}}"#;
        let response = azure.parse(&Reply { status: 400, body: body.to_vec() }).expect("an answer");
        assert_eq!(response.finish_reason, crate::core::record::FinishReason::ContentFilter);
    }
}
