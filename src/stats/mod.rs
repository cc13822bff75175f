//! Statistics of comparisons: pure functions, checked against reference values computed with scipy, statsmodels and scikit-learn.
//!
//! Knows nothing of prompts, cases or models: only of passes, scores, labels and ratios. Every function of randomness takes a
//! seed.

mod agreement;
mod discrete;
mod estimate;
mod exact;
mod multiple;
mod order;
mod sequential;

pub use agreement::{Caution, Confusion, Detection, Kappa, Share, quadratic_kappa};
pub use discrete::{binomial_at_least, binomial_at_most, pass_at_k, pass_hat_k, quantile_ranks, wilson};
pub use estimate::{Estimate, clustered_mean, log_ratio, paired_mean};
pub use exact::{ExactTest, SignFlip, Stratum, sign_flip, stratified_exact};
pub use multiple::{benjamini_hochberg, holm};
pub use order::{median, percentile};
pub use sequential::{Decision, RateBets, Sequential};
