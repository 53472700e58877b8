//! Random installations, applied to a shop repeatedly, with edits between.

use std::collections::{BTreeMap, BTreeSet};

use oms::{
    commands,
    installation::{self, apply, export, installed::Installed},
};

use super::{
    ops::Edit,
    play::Player,
    spec::{Spec, Transition, erp},
    vocabulary::{OUT_OF_STOCK, WAITING, WAITING_FOR_TRANSFER, legs, plans},
};

impl Player<'_> {
    /// Applies an installation. False if it was refused, which must change nothing.
    pub async fn install(&mut self, spec: Spec) -> bool {
        let text = spec.toml();
        let read = installation::check::load(&[("random.toml", &text)], commands::kinds());
        let installation = read.unwrap_or_else(|problems| panic!("{problems:?}\n{text}")).0;
        let before = self.shop.dump().await;
        let Ok(table) = apply::apply(self.shop.pool(), &installation).await else {
            before.assert_same(&self.shop.dump().await);
            return false;
        };
        let again = apply::apply(self.shop.pool(), &installation).await.expect("it was applied before");
        assert_eq!(again, table, "applied again, it is the same");
        self.export_and_compare(&text).await;
        let slugs: BTreeSet<String> = table.iter().map(|transition| transition.slug.clone()).collect();
        let wanted: BTreeSet<String> =
            spec.transitions.iter().map(Transition::slug).chain(legs().iter().map(|leg| leg.slug())).collect();
        assert_eq!(slugs, wanted, "every transition of the file is installed\n{text}");
        self.model.ids = table.into_iter().map(|transition| (transition.slug, transition.id)).collect();
        for transition in &spec.transitions {
            let id = self.model.ids[&transition.slug()];
            assert!(transition.id.is_none_or(|fixed| fixed == id), "{} has the id of the file", transition.slug());
            for outcome in [Some(transition.destination), transition.otherwise].into_iter().flatten() {
                self.model.steps.insert((id, transition.source.to_owned(), outcome.to_owned()));
            }
            if plans(transition.command) {
                self.model.steps.insert((id, transition.source.to_owned(), WAITING_FOR_TRANSFER.to_owned()));
            }
        }
        for leg in legs() {
            let id = self.model.ids[&leg.slug()];
            for outcome in [WAITING_FOR_TRANSFER, WAITING, OUT_OF_STOCK] {
                self.model.steps.insert((id, WAITING_FOR_TRANSFER.to_owned(), outcome.to_owned()));
            }
        }
        let states: Vec<(i64, String)> = self.shop.rows("select id, slug from states where entity = 'package'").await;
        let states: BTreeMap<String, i64> = states.into_iter().map(|(id, slug)| (slug, id)).collect();
        for state in &spec.states {
            let id = states.get(state.slug).unwrap_or_else(|| panic!("{} is not installed\n{text}", state.slug));
            assert!(state.id.is_none_or(|fixed| fixed == *id), "{} has the id of the file", state.slug);
        }
        for (at, place) in spec.places.iter().enumerate() {
            if let Some(location) = self.model.world.locations.get_mut(&erp(at)) {
                location.max_quota = place.max_quota;
            }
        }
        let before = self.model.world.clone();
        self.model.spec = spec;
        self.model.world.settle(&before, &self.model.spec);
        true
    }
}

impl Player<'_> {
    /// What is exported installs to no difference, and says the same again.
    pub(super) async fn export_and_compare(&self, text: &str) {
        let mut connection = self.shop.pool().acquire().await.expect("connect");
        let installed = Installed::load(&mut connection).await.expect("loaded");
        let exported = export::toml(&installed.items).expect("TOML");
        let read = installation::check::load(&[("export.toml", &exported)], commands::kinds());
        let read = read.unwrap_or_else(|problems| panic!("{problems:?}\n{exported}\n{text}")).0;
        let survey = apply::Survey::make(&mut connection, &read).await.expect("compared");
        // What was made over HTTP is the files' from then on, as it is.
        assert!(survey.is_empty() && survey.hazards.is_empty(), "{:?} {:?}\n{exported}", survey.plan, survey.hazards);
        assert_eq!(export::toml(&Installed::of_files(read).items).expect("TOML"), exported);
    }
}

/// An installation after some edits.
pub fn edited(spec: &Spec, edits: &[Edit]) -> Spec {
    let mut spec = spec.clone();
    for edit in edits {
        match edit {
            Edit::Occupies(at, occupies) => {
                let count = spec.states.len();
                let state = &mut spec.states[at % count];
                if !state.is_final {
                    state.occupies = *occupies;
                }
            }
            Edit::Add(seed) => spec.add(seed),
            Edit::Drop(at) => {
                let at = at % spec.transitions.len();
                spec.transitions.remove(at);
            }
            Edit::Limit(at, limit) => {
                let count = spec.places.len();
                spec.places[at % count].max_quota = *limit;
            }
            Edit::Priority(at, priority) => {
                let count = spec.places.len();
                spec.places[at % count].priority = *priority;
            }
            Edit::Rules(at, rules) => {
                let count = spec.scenarios.len();
                spec.scenarios[at % count].rules.clone_from(rules);
            }
            Edit::DefaultLocation(at, place) => {
                let count = spec.scenarios.len();
                spec.scenarios[at % count].default_location = place % spec.places.len();
            }
        }
        spec.mend();
    }
    spec
}
