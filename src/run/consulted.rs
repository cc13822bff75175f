//! What checks ask outside of an answer, each thing once: judges, embeddings, programs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::core::digest::{canonical_json, sha256_hex};
use crate::core::names::{ModelAlias, RequestKey};
use crate::core::record::{Request, Response};
use crate::core::verdict::Lack;

/// What a model is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// For this check.
    Judge(&'static str),
    /// For the next answer of a conversation, the turn of this number.
    Turn(u32),
}

/// Something to be asked.
#[derive(Clone, Debug)]
pub(super) enum Errand {
    /// A model, by its index.
    Call { model: usize, request: Box<Request>, sample: u32, role: Role },
    /// A program.
    Program { command: Vec<String>, input: Value },
}

/// What came of it.
#[derive(Clone, Debug)]
pub(super) enum Came {
    /// A model's response.
    Response(Box<Response>),
    /// What a program printed.
    Printed(String),
    /// Nothing.
    Lacking(Lack, String),
}

impl Errand {
    /// By what it is known.
    pub(super) fn key(&self) -> String {
        match self {
            Self::Call { model, request, sample, .. } => key_of(*model, &request.key(*sample)),
            Self::Program { command, input } => {
                let whole = json!({"command": command, "input": input});
                format!("program {}", sha256_hex(canonical_json(&whole).as_bytes()))
            }
        }
    }
}

/// A request to a model: two models of one name behind different addresses are asked each for itself.
fn key_of(model: usize, key: &RequestKey) -> String {
    format!("{model} {key}")
}

/// What was asked in this process.
#[derive(Debug, Default)]
pub(super) struct Consulted {
    told: Mutex<HashMap<String, Arc<OnceCell<Came>>>>,
    /// The first answer of each model to each case, by their indexes.
    answers: Mutex<HashMap<(usize, usize), Response>>,
    /// Which sample each call is counted for, by its key.
    counted: Mutex<HashMap<String, Asker>>,
}

/// A sample for which something was asked: the case by its index, the model by its alias, the number.
type Asker = (usize, ModelAlias, u32);

impl Consulted {
    /// The place of what comes of an errand.
    pub(super) fn place(&self, key: &str) -> Arc<OnceCell<Came>> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(told.entry(key.to_owned()).or_default())
    }

    /// What came of it, where it was asked.
    pub(super) fn get(&self, key: &str) -> Option<Came> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.get(key)?.get().cloned()
    }

    /// The same of a request to a model.
    pub(super) fn response(&self, model: usize, key: &RequestKey) -> Option<Came> {
        self.get(&key_of(model, key))
    }

    /// Whether a call is counted for this sample: what several have in common was asked once.
    pub(super) fn counts_for(&self, key: &str, asker: &Asker) -> bool {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        counted.entry(key.to_owned()).or_insert_with(|| asker.clone()) == asker
    }

    pub(super) fn answered(&self, case: usize, model: usize, response: &Response) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.insert((case, model), response.clone());
    }

    pub(super) fn answer(&self, case: usize, model: usize) -> Option<Response> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(&(case, model)).cloned()
    }
}
