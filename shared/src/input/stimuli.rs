//! Images that a table names: a `.stim.csv` of `DNNBrain`.

use crate::Error;

/// What a table of stimuli says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stimuli {
    /// Where the images are, from the folder of the table on.
    pub folder: Option<String>,
    /// Names of the images, in order.
    pub names: Vec<String>,
}

/// Reads a `.stim.csv`: lines `key=value`, then `data=` with the columns, then rows.
///
/// # Errors
/// [`Error::Format`] with what is missing.
pub fn read_stimuli(file: &str, text: &str) -> Result<Stimuli, Error> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let (mut folder, mut kind) = (None, String::new());
    let columns = loop {
        let line = lines.next().ok_or_else(|| Error::format(file, "this is no list of stimuli: there is no line data=stimID,…"))?;
        let (key, value) = line.split_once('=').ok_or_else(|| Error::format(file, format!("\"{line}\" is not key=value")))?;
        match key.trim() {
            "data" => break value.split(',').map(|c| c.trim().to_owned()).collect::<Vec<_>>(),
            "path" => folder = Some(value.trim().to_owned()),
            "type" => value.trim().clone_into(&mut kind),
            _ => {}
        }
    };
    if kind != "image" {
        return Err(Error::format(file, format!("stimuli of type \"{kind}\" are not read, only type=image")));
    }
    let at = columns.iter().position(|c| c == "stimID").ok_or_else(|| Error::format(file, "the column stimID is missing"))?;
    let name = |line: &str| {
        line.split(',').nth(at).map(|v| v.trim().to_owned()).ok_or_else(|| Error::format(file, format!("the row \"{line}\" has no stimID")))
    };
    let names: Vec<String> = lines.map(name).collect::<Result<_, _>>()?;
    if names.is_empty() {
        return Err(Error::format(file, "it lists no stimuli"));
    }
    Ok(Stimuli { folder, names })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_in_their_column() {
        let text = "type=image\npath=pictures\ntitle=a=b\ndata=RT,stimID\n0.5,a.png\n\n0.6, b.png \n";
        let read = read_stimuli("s", text).expect("reads");
        assert_eq!(read, Stimuli { folder: Some("pictures".into()), names: vec!["a.png".into(), "b.png".into()] });
    }

    #[test]
    fn broken_lists_say_what_is_missing() {
        for (text, words) in [
            ("", "no line data="),
            ("type", "\"type\" is not key=value"),
            ("type=video\ndata=stimID\n1", "of type \"video\""),
            ("type=image\ndata=ID\n1", "column stimID"),
            ("type=image\ndata=a,stimID\n1", "the row \"1\""),
            ("type=image\ndata=stimID\n", "lists no stimuli"),
        ] {
            let why = read_stimuli("s", text).expect_err("refused").to_string();
            assert!(why.contains(words), "{words:?} in: {why}");
        }
    }
}
