//! One template for all targets of a namespace that expose the same lines. Namespaces share none: each pays for its own,
//! so that nobody can make another pay.

use std::{
    hash::{BuildHasher, Hash, Hasher},
    sync::{Arc, Weak},
};

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use parking_lot::Mutex;

use super::Template;
use crate::store::{Account, AppendError, Charge};

/// The templates in use. One lives as long as a target holds it. Cheap to clone; all clones are the same.
#[derive(Clone, Default)]
pub struct Templates {
    pub(super) known: Arc<Mutex<Known>>,
    hash: RandomState,
    /// Takes the bytes of new ones; `None` is without a bound.
    account: Option<Account>,
}

#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) templates: HashTable<(u64, Weak<Template>)>,
    /// How many there may be before dead ones are looked for.
    sweep_at: usize,
}

impl Templates {
    /// The same templates; new ones are charged to this account.
    #[must_use]
    pub fn charged_to(&self, account: Account) -> Self {
        Self { account: Some(account), ..self.clone() }
    }

    /// The shared template that equals `template`.
    ///
    /// # Errors
    /// When there is none, and no room for another.
    pub(super) fn intern(&self, mut template: Template) -> Result<Arc<Template>, AppendError> {
        let tenant = self.account.as_ref().map(Account::tenant);
        let hash = self.hash.hash_one((&template, tenant));
        let mut known = self.known.lock();
        let same = |(other, weak): &(u64, Weak<Template>)| {
            let is_same = |other: Arc<Template>| {
                other.charge.as_ref().map(Charge::tenant) == tenant && *other == template
            };
            *other == hash && weak.upgrade().is_some_and(is_same)
        };
        if let Some(shared) = known.templates.find(hash, same).and_then(|(_, weak)| weak.upgrade()) {
            return Ok(shared);
        }
        template.charge = self.account.as_ref().map(|account| account.charge(template.cost())).transpose()?;
        known.make_room();
        let template = Arc::new(template);
        known.templates.insert_unique(hash, (hash, Arc::downgrade(&template)), |(hash, _)| *hash);
        Ok(template)
    }

    /// How many are in use, and their estimated bytes.
    #[must_use]
    pub fn usage(&self) -> (usize, usize) {
        let known = self.known.lock();
        let live = known.templates.iter().filter_map(|(_, weak)| weak.upgrade());
        live.fold((0, 0), |(count, bytes), template| (count + 1, bytes + template.bytes()))
    }
}

impl Known {
    fn make_room(&mut self) {
        if self.templates.len() >= self.sweep_at {
            self.templates.retain(|(_, weak)| weak.strong_count() > 0);
            self.templates.shrink_to(0, |(hash, _)| *hash);
            self.sweep_at = 2 * self.templates.len() + FEW;
        }
    }
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.format == other.format
            && self.allow == other.allow
            && self.counters == other.counters
            && self.series == other.series
            && self.lines == other.lines
            && self.is_whole == other.is_whole
            && self.left_out == other.left_out
            && self.starts == other.starts
            && self.text == other.text
    }
}

impl Hash for Template {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.format, &self.allow, self.lines.len()).hash(state);
        state.write(&self.text);
    }
}

const FEW: usize = 16;
