//! A project: `promptctl.yaml`, where it was found, and what it says about models and defaults.

mod audit;
mod config;
mod cost;
mod discovery;
mod judge;
mod lint;
mod model;
mod price;
mod prices;
mod recordings;
mod retriever;
mod settings;
mod tuned;

pub use audit::{AuditSettings, FactsChange};
pub use config::{CONFIG_FILE, Config, Defaults};
pub(crate) use config::{decode_aliases, decode_rate, decode_repeat, decode_unasserted};
pub use cost::{Budget, CacheSettings, CostSettings, MOST_COUNTED, RetrievalSettings, TunedSettings, parse_increase};
pub use discovery::{DiscoveryError, Root, find_project, find_root};
pub use judge::{Gate, JudgeSettings};
pub use lint::{Level, LintSettings, WrittenRule};
pub(crate) use model::decode_params;
pub use model::{Limits, ModelEntry, Spans, common_model_keys, decode_duration};
pub use price::PriceFrom;
pub use prices::{KnownPrice, is_version_of, known_price, known_prices, prices_as_of};
pub use recordings::{MaxAge, Recordings};
pub use retriever::{Chunking, Engine, Local, MOST_DOCUMENTS, Retriever, RetrieverKind};
pub(crate) use retriever::{decode_retriever, decode_top};
pub use settings::{Compare, Redaction, RedactionTarget, SnapshotSettings, decode_snapshot};
pub use tuned::FineTuned;
