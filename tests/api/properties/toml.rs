//! Random installations as the TOML a merchant would write.

use std::fmt::Write as _;

use super::{
    spec::{Spec, erp},
    vocabulary::{legs, transfer_states},
};

impl Spec {
    /// As a file.
    pub fn toml(&self) -> String {
        let mut text = String::new();
        let mut line = |key: &str, value: String| writeln!(text, "{key}{value}").expect("a string takes it");
        self.write_states(&mut line);
        self.write_transitions(&mut line);
        self.write_places(&mut line);
        self.write_scenarios(&mut line);
        text
    }

    fn write_states(&self, line: &mut impl FnMut(&str, String)) {
        for state in &self.states {
            line("[[states]]", String::new());
            line("entity = ", "\"package\"".to_owned());
            line("slug = ", format!("{:?}", state.slug));
            line("enum_value = ", format!("\"{}\"", state.number));
            line("name = ", format!("{:?}", state.slug));
            line("final = ", state.is_final.to_string());
            state.occupies.iter().for_each(|occupies| line("occupies_quota = ", occupies.to_string()));
            state.id.iter().for_each(|id| line("id = ", id.to_string()));
        }
        let order = "entity = \"order\"\nslug = \"approved\"\nenum_value = \"400\"\nname = \"Approved\"";
        line("[[states]]\n", order.to_owned());
        for (slug, is_final) in transfer_states() {
            line("[[states]]", String::new());
            line("entity = ", "\"transfer\"".to_owned());
            line("slug = ", format!("{slug:?}\nenum_value = {slug:?}\nname = {slug:?}"));
            line("final = ", is_final.to_string());
        }
    }

    fn write_transitions(&self, line: &mut impl FnMut(&str, String)) {
        for transition in &self.transitions {
            line("[[transitions]]", String::new());
            line("entity = ", "\"package\"".to_owned());
            line("command = ", format!("{:?}", transition.command));
            line("source = ", format!("{:?}", transition.source));
            line("destination = ", format!("{:?}", transition.destination));
            line("label = ", "\"Go\"".to_owned());
            transition.otherwise.iter().for_each(|slug| line("otherwise = ", format!("{slug:?}")));
            transition.slug.iter().for_each(|slug| line("slug = ", format!("{slug:?}")));
            transition.id.iter().for_each(|id| line("id = ", id.to_string()));
            transition.roles.iter().for_each(|role| line("roles = ", format!("[{role:?}]")));
        }
        for leg in legs() {
            line("[[transitions]]", String::new());
            line("entity = ", "\"transfer\"".to_owned());
            line("command = ", format!("{:?}\nsource = {:?}\ndestination = {:?}", leg.0, leg.1, leg.2));
            line("label = ", "\"Go\"".to_owned());
        }
    }

    fn write_places(&self, line: &mut impl FnMut(&str, String)) {
        for (at, place) in self.places.iter().enumerate() {
            line("[[stock_locations]]", String::new());
            line("erp_code = ", format!("{:?}", erp(at)));
            line("name = ", ::toml::Value::from(&*place.name).to_string());
            line("type = ", "\"store\"".to_owned());
            line("priority = ", place.priority.to_string());
            place.max_quota.iter().for_each(|quota| line("max_quota = ", quota.to_string()));
            line("latitude = ", "0.0".to_owned());
            line("longitude = ", format!("{}.0", place.longitude));
        }
        line("[[denial_reasons]]", "\ntitle = \"Busy\"".to_owned());
        for slug in ["first", "second"] {
            line("[[cargo_companies]]", format!("\nslug = {slug:?}\nname = {slug:?}\nintegration = \"manual\""));
        }
    }

    fn write_scenarios(&self, line: &mut impl FnMut(&str, String)) {
        for (at, scenario) in self.scenarios.iter().enumerate() {
            line("[[scenarios]]", format!("\nname = \"Scenario {at}\"\npriority = {at}"));
            line("channels = ", if scenario.web_only { "[\"web\"]" } else { "[]" }.to_owned());
            line("default_location = ", format!("{:?}", erp(scenario.default_location)));
            // The model of plans knows no queue.
            line("waiting = ", "\"whoever_fits\"".to_owned());
            line("initial_state_when_split = ", format!("{:?}", scenario.split_state));
            for (at, rule) in scenario.rules.iter().enumerate() {
                let conditions = [(rule.by_stock, "SELECT_BY_STOCK"), (rule.by_quota, "SELECT_BY_QUOTA")];
                let conditions: Vec<_> = conditions.iter().filter(|(asks, _)| *asks).map(|(_, name)| *name).collect();
                line("[[scenarios.rules]]", format!("\nname = \"Rule {at}\"\nconditions = {conditions:?}"));
                line("order_by = ", format!("{:?}", rule.order_by));
                line("transferable = ", rule.transferable.to_string());
            }
        }
        line("[[scenarios]]", "\nname = \"Sources\"\nkind = \"transfer\"\npriority = 0".to_owned());
        line("default_location = ", format!("{:?}", erp(self.transfer_default)));
        line("[[scenarios.rules]]", "\nname = \"Nearest\"\nconditions = [\"SELECT_BY_STOCK\"]".to_owned());
        line("order_by = ", "[\"distance\"]".to_owned());
    }
}
