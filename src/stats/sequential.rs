//! Stopping early: two bets, one that head is worse, one that it is not worse by δ. Whoever bets against the truth
//! multiplies the stake by 20 at most once in 20 times, however often one looks (Ville's inequality).

/// How many stakes each bet is spread over.
const STAKES: u32 = 20;

/// What a sequence of pairs has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Head is worse.
    Regressed,
    /// Head is not worse by δ or more.
    NotRegressed,
}

/// The bets on a sequence of pairs.
#[derive(Clone, Debug)]
pub struct Sequential {
    alpha: f64,
    beta: f64,
    delta: f64,
    /// The logarithm of each stake.
    regress: Vec<f64>,
    ok: Vec<f64>,
    pairs: u64,
    stopped: Option<(Decision, u64)>,
}

impl Sequential {
    /// Bets with these rates of error, and a drop of `delta` as the least that matters.
    #[must_use]
    pub fn new(alpha: f64, beta: f64, delta: f64) -> Self {
        let none = vec![0.0; STAKES as usize];
        Self { alpha, beta, delta, regress: none.clone(), ok: none, pairs: 0, stopped: None }
    }

    /// Takes the next pair: head minus base, from −1 to 1. Gives the decision once there is one; it stays.
    pub fn take(&mut self, difference: f64) -> Option<Decision> {
        let d = difference.clamp(-1.0, 1.0);
        self.pairs += 1;
        for (j, (regress, ok)) in (0..STAKES).zip(self.regress.iter_mut().zip(&mut self.ok)) {
            let stake = (f64::from(j) + 0.5) / f64::from(STAKES);
            *regress += (1.0 - stake * d).ln();
            *ok += (1.0 + stake / (1.0 - self.delta) * (d + self.delta)).ln();
        }
        if self.stopped.is_none() {
            let decision = if self.e_regress() >= 1.0 / self.alpha {
                Some(Decision::Regressed)
            } else if self.e_ok() >= 1.0 / self.beta {
                Some(Decision::NotRegressed)
            } else {
                None
            };
            self.stopped = decision.map(|decision| (decision, self.pairs));
        }
        self.decision()
    }

    /// What the bet is worth that head is worse.
    #[must_use]
    pub fn e_regress(&self) -> f64 {
        mean_exp(&self.regress)
    }

    /// What the bet is worth that head is not worse by δ or more.
    #[must_use]
    pub fn e_ok(&self) -> f64 {
        mean_exp(&self.ok)
    }

    /// What was shown.
    #[must_use]
    pub fn decision(&self) -> Option<Decision> {
        self.stopped.map(|(decision, _)| decision)
    }

    /// After how many pairs.
    #[must_use]
    pub fn stopped_after(&self) -> Option<u64> {
        self.stopped.map(|(_, pairs)| pairs)
    }
}

/// Two bets on a row of passes and failures: one that the pass rate is below a threshold, one that it is above it.
#[derive(Clone, Debug)]
pub struct RateBets {
    alpha: f64,
    threshold: f64,
    below: Vec<f64>,
    above: Vec<f64>,
}

impl RateBets {
    /// Bets on a threshold between 0 and 1, with this rate of error for each.
    #[must_use]
    pub fn new(alpha: f64, threshold: f64) -> Self {
        let none = vec![0.0; STAKES as usize];
        Self { alpha, threshold: threshold.clamp(0.01, 0.99), below: none.clone(), above: none }
    }

    /// Takes the next answer. Gives whether the rate is below the threshold, once there is a decision.
    pub fn take(&mut self, passed: bool) -> Option<bool> {
        let x = if passed { 1.0 } else { 0.0 };
        let rate = self.threshold;
        for (j, (below, above)) in (0..STAKES).zip(self.below.iter_mut().zip(&mut self.above)) {
            let stake = (f64::from(j) + 0.5) / f64::from(STAKES);
            // The largest stake is the one that loses all at the worst answer.
            *below += (1.0 + stake / (1.0 - rate) * (rate - x)).ln();
            *above += (1.0 + stake / rate * (x - rate)).ln();
        }
        if mean_exp(&self.below) >= 1.0 / self.alpha {
            Some(true)
        } else if mean_exp(&self.above) >= 1.0 / self.alpha {
            Some(false)
        } else {
            None
        }
    }
}

fn mean_exp(logs: &[f64]) -> f64 {
    logs.iter().map(|log| log.exp()).sum::<f64>() / f64::from(STAKES)
}
