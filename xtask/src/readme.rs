//! The fenced blocks of a Markdown file, and what a marker above them says they are.
//!
//! A comment on the line before a fence names the part that the block plays in the embed test:
//! `<!-- embed: Cargo.toml -->`, `<!-- embed: src/main.rs -->` or `<!-- embed: output -->`.

/// One fenced block.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block<'a> {
    /// What stands behind the opening fence, such as `rust,no_run`.
    pub(crate) info: &'a str,
    /// The part it plays in the embed test.
    pub(crate) embed: Option<&'a str>,
    /// The lines inside, each with its newline.
    pub(crate) text: String,
    /// Line of the opening fence, from 1.
    pub(crate) line: usize,
}

impl Block<'_> {
    /// Whether rustdoc would compile it.
    pub(crate) fn is_rust(&self) -> bool {
        self.info.split(',').next().is_some_and(|language| language.trim() == "rust")
    }
}

/// The blocks, in order. A fence that is never closed runs to the end, as Markdown says.
pub(crate) fn blocks(markdown: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut marker = None;
    let mut lines = markdown.lines().zip(1..);
    while let Some((line, number)) = lines.next() {
        let trimmed = line.trim();
        let Some(fence) = opening_fence(trimmed) else {
            // A blank line between a marker and its block is forgiven.
            if !trimmed.is_empty() {
                marker = embed_marker(trimmed);
            }
            continue;
        };
        let mut text = String::new();
        for (inner, _) in lines.by_ref() {
            if is_closing(inner.trim(), fence) {
                break;
            }
            text.push_str(inner);
            text.push('\n');
        }
        let info = trimmed[fence..].trim();
        blocks.push(Block { info, embed: marker.take(), text, line: number });
    }
    blocks
}

/// The number of backticks, when the line opens a block.
fn opening_fence(line: &str) -> Option<usize> {
    let ticks = line.bytes().take_while(|byte| *byte == b'`').count();
    (ticks >= 3 && !line[ticks..].contains('`')).then_some(ticks)
}

fn is_closing(line: &str, fence: usize) -> bool {
    line.len() >= fence && line.bytes().all(|byte| byte == b'`')
}

fn embed_marker(line: &str) -> Option<&str> {
    Some(line.strip_prefix("<!--")?.strip_suffix("-->")?.trim().strip_prefix("embed:")?.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marked_block_knows_its_part_and_its_line() {
        let found =
            blocks("# Title\n\n<!-- embed: src/main.rs -->\n```rust,no_run\nfn main() {}\n```\n");
        let main = Block {
            info: "rust,no_run",
            embed: Some("src/main.rs"),
            text: "fn main() {}\n".to_owned(),
            line: 4,
        };
        assert_eq!(found, [main]);
        assert!(found[0].is_rust());
    }

    #[test]
    fn prose_between_a_marker_and_a_block_takes_the_marker_away() {
        let found =
            blocks("<!-- embed: Cargo.toml -->\nSome prose.\n```toml\n[dependencies]\n```\n");
        assert_eq!(found[0].embed, None);
    }

    #[test]
    fn a_marker_counts_for_one_block_only() {
        let found = blocks("<!-- embed: output -->\n```text\none\n```\n```text\ntwo\n```\n");
        assert_eq!(
            found.iter().map(|block| block.embed).collect::<Vec<_>>(),
            [Some("output"), None]
        );
    }

    #[test]
    fn a_longer_fence_holds_shorter_ones() {
        let found = blocks("````markdown\n```rust\nfn inner() {}\n```\n````\n");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].text, "```rust\nfn inner() {}\n```\n");
        assert!(!found[0].is_rust());
    }

    #[test]
    fn inline_code_opens_nothing_and_an_open_fence_runs_to_the_end() {
        let found = blocks("``` `x` ```\n```rust\nlet x = 1;");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].text, "let x = 1;\n");
    }
}
