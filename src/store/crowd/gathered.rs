//! What pods contribute to a value of the object that they belong to.

use std::sync::Arc;

use crate::{
    model::{Fold, Options, Sample},
    store::{
        Absence, fold,
        scraped::{self, Contribution, Derived, Parts, ValueKind},
    },
};

/// What one pod has of a metric.
pub(super) enum Piece {
    /// Written series that the selector selects.
    Written(Vec<Sample>),
    /// What its targets contribute, and how they fold it.
    Scraped(Contribution, Fold),
}

/// The pieces of the pods so far.
pub(super) struct Gathered {
    /// What the asker says of series.
    fold: Option<Fold>,
    whole: Option<(Whole, Arc<str>)>,
    /// Why a pod that has the metric contributes nothing to it.
    pub(super) nothing: Option<Absence>,
}

/// Pieces of one kind.
enum Whole {
    /// Numbers: of each pod one, or of each series where the asker folds them.
    Numbers(Vec<Sample>),
    /// Quantiles that the pods computed themselves.
    Quantiles(Vec<Sample>),
    /// Observations.
    Together(Contribution),
}

impl Gathered {
    pub(super) fn new(fold: Option<Fold>) -> Self {
        Self { fold, whole: None, nothing: None }
    }

    /// Takes what `pod` has.
    ///
    /// # Errors
    /// When it cannot be used, or is not what the others have.
    pub(super) fn add(&mut self, pod: &Arc<str>, piece: Piece) -> Result<(), Absence> {
        let piece = match self.read(piece) {
            Ok(piece) => piece,
            Err(absence @ Absence::NotANumber) => {
                self.nothing = Some(absence);
                return Ok(());
            }
            Err(absence) => return Err(absence),
        };
        match &mut self.whole {
            None => self.whole = Some((piece, pod.clone())),
            Some((whole, first)) => {
                let unlike = || Absence::Unlike { pods: format!("{first} and {pod}").into() };
                whole.merge(piece).map_err(|()| unlike())?;
            }
        }
        Ok(())
    }

    /// The one value.
    pub(super) fn value(self, options: &Options) -> Result<Sample, Absence> {
        let Some((whole, _)) = self.whole else { return Err(self.nothing.unwrap_or(Absence::NoSeries)) };
        let fold = options.fold;
        let sample = match whole {
            Whole::Numbers(samples) => fold::fold(fold.unwrap_or(Fold::Sum), samples),
            Whole::Quantiles(_) if fold.is_some_and(|fold| fold != Fold::Max) => Err(Absence::NotFolded),
            Whole::Quantiles(samples) => fold::fold(Fold::Max, samples),
            Whole::Together(whole) => {
                whole.fold(&Options { fold, ..Options::default() }, Fold::Sum).and_then(scraped::sample)
            }
        }?;
        fold::scaled(sample, options.scale)
    }

    fn read(&self, piece: Piece) -> Result<Whole, Absence> {
        match piece {
            Piece::Written(samples) if self.fold.is_some() => Ok(Whole::Numbers(samples)),
            Piece::Written(samples) => Ok(Whole::Numbers(vec![fold::fold(Fold::Sum, samples)?])),
            Piece::Scraped(Contribution { parts: Parts::Values { values, kind }, window, at }, rule) => {
                let sample = |value| scraped::sample(Derived { value, window, at });
                if kind == ValueKind::Quantile {
                    return Ok(Whole::Quantiles(vec![sample(Fold::Max.of(&values)?)?]));
                }
                if self.fold.is_none() {
                    return Ok(Whole::Numbers(vec![sample(rule.of(&values)?)?]));
                }
                let numbers = values.into_iter().filter(|value| value.is_finite()).map(sample);
                let numbers = numbers.collect::<Result<Vec<_>, _>>()?;
                if numbers.is_empty() { Err(Absence::NotANumber) } else { Ok(Whole::Numbers(numbers)) }
            }
            Piece::Scraped(contribution, _) => Ok(Whole::Together(contribution)),
        }
    }
}

impl Whole {
    fn merge(&mut self, other: Self) -> Result<(), ()> {
        match (self, other) {
            (Self::Numbers(samples), Self::Numbers(more))
            | (Self::Quantiles(samples), Self::Quantiles(more)) => {
                samples.extend(more);
                Ok(())
            }
            (Self::Together(whole), Self::Together(more)) => whole.merge(more),
            _ => Err(()),
        }
    }
}
