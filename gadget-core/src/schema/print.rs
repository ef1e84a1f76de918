//! The documentation and the default file.

use super::{Key, Schema};

/// Lines of a file are no longer than this.
const WIDTH: usize = 120;

impl<T: Clone> Schema<T> {
    /// Every setting as a file that has them as in `set`, with what each does.
    #[must_use]
    pub fn file(&self, set: &T) -> String {
        let mut set = set.clone();
        let mut file = String::new();
        for table in self.tables {
            if !file.is_empty() {
                file.push('\n');
            }
            comment(&mut file, table.about);
            file.push_str(&format!("[{}]\n", table.name));
            for key in table.keys {
                comment(&mut file, &format!("{} {}.", key.says(), capital(&key.field.range())));
                file.push_str(&format!("{} = {}\n", key.name, key.field.print(&mut set)));
            }
        }
        file
    }

    /// Every setting as a table of Markdown, with the values of `set` as the defaults.
    #[must_use]
    pub fn docs(&self, set: &T) -> String {
        let mut set = set.clone();
        let mut docs = String::new();
        for table in self.tables {
            docs.push_str(&format!("### `[{}]`\n\n{}\n\n", table.name, table.about));
            docs.push_str("| key | default | values | what it does |\n|---|---|---|---|\n");
            for key in table.keys {
                let cells = [key.field.print(&mut set), key.field.range(), key.says()];
                let [default, range, says] = cells.map(|cell| cell.replace('|', "\\|"));
                docs.push_str(&format!("| `{}` | `{default}` | {range} | {says} |\n", key.name));
            }
            docs.push('\n');
        }
        docs.truncate(docs.trim_end().len());
        docs.push('\n');
        docs
    }
}

impl<T> Key<T> {
    fn says(&self) -> String {
        match self.later {
            Some(later) => format!("{} A change takes effect {later}.", self.about),
            None => self.about.to_owned(),
        }
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// Adds `text` as lines of a comment, broken between words.
fn comment(file: &mut String, text: &str) {
    let mut length = 0;
    for word in text.split_whitespace() {
        let starts = length == 0 || length + 1 + word.len() > WIDTH;
        if starts {
            file.push_str(if length == 0 { "#" } else { "\n#" });
            length = 1;
        }
        file.push(' ');
        file.push_str(word);
        length += 1 + word.len();
    }
    file.push('\n');
}
