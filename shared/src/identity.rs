//! The identity of a model point: what tables of different analyses are joined on.

/// Architecture, task, kind, source and layer of a representation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// The five values in the order of [`Identity::COLUMNS`]; empty where the name does not say.
    pub values: [String; 5],
}

impl Identity {
    /// Headers in published tables.
    pub const COLUMNS: [&str; 5] = ["architecture", "task", "kind", "source", "layer"];

    /// Reads the name of a dataset.
    ///
    /// # Definition
    /// `architecture:A|task:T|kind:K|source:S` in any order, further keys ignored; the layer is the key `layer` or what follows the first `::`
    /// (the member of an archive). A name of another form is a layer as a whole. The task `None` of untrained networks is a text like others.
    ///
    /// # Source
    /// Elmoznino & Bonner 2024.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let (model, member) = name.split_once("::").map_or((name, None), |(model, member)| (model, Some(member)));
        // A folder may stand before it.
        let model = model.find("architecture:").map_or(model, |at| &model[at..]);
        let value = |key: &str| model.split('|').filter_map(|part| part.split_once(':')).find(|(k, _)| *k == key).map(|(_, v)| v);
        let [Some(architecture), Some(task), Some(kind), Some(source)] = ["architecture", "task", "kind", "source"].map(value) else {
            return Self { values: [String::new(), String::new(), String::new(), String::new(), name.into()] };
        };
        let layer = value("layer").or(member).unwrap_or_default();
        Self { values: [architecture, task, kind, source, layer].map(Into::into) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_models_are_taken_apart() {
        let published = Identity::of("architecture:ResNet18|task:None|kind:Untrained|source:PyTorch::layer1.0.relu");
        assert_eq!(published.values, ["ResNet18", "None", "Untrained", "PyTorch", "layer1.0.relu"]);
        let keyed = Identity::of("run 2/architecture:A|layer:conv1|task:Objects|kind:Supervised|source:S|zca:True");
        assert_eq!(keyed.values, ["A", "Objects", "Supervised", "S", "conv1"]);
        assert_eq!(Identity::of("layers::conv1").values, ["", "", "", "", "layers::conv1"]);
        assert_eq!(Identity::of("architecture:A|kind:K").values[4], "architecture:A|kind:K");
        assert_eq!(Identity::of("").values[4], "");
    }
}
