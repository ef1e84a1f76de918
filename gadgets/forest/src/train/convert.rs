//! From smartcore's form of a forest to ours.

use serde::Deserialize;
use smartcore::ensemble::random_forest_classifier::RandomForestClassifier;
use smartcore::linalg::basic::matrix::DenseMatrix;

use crate::forest::{Forest, ForestError, Node, Shape};

/// A forest as smartcore grows it.
pub type Trained = RandomForestClassifier<f64, u32, DenseMatrix<f64>, Vec<u32>>;

/// Why a forest could not be grown or converted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// smartcore refused the rows: too few, or of one class.
    #[error("no forest can be grown from these rows")]
    Rows,
    /// smartcore writes its forests in another form than the one that is known.
    #[error("not the known form of a smartcore forest")]
    Form(#[from] serde_json::Error),
    /// A node leads nowhere.
    #[error("a tree has a node without its children")]
    Tree,
    /// The flat forest is none that can be used.
    #[error("cannot use the converted forest")]
    Forest(#[from] ForestError),
}

#[derive(Deserialize)]
struct RawForest {
    trees: Vec<RawTree>,
    classes: Vec<u32>,
}

#[derive(Deserialize)]
struct RawTree {
    nodes: Vec<RawNode>,
}

#[derive(Deserialize)]
struct RawNode {
    output: usize,
    split_feature: usize,
    split_value: Option<f64>,
    true_child: Option<usize>,
    false_child: Option<usize>,
}

/// Lays a forest out flat; its leaves are undecided until they are settled, and nothing is calibrated.
///
/// # Errors
/// Any [`ConvertError`] but [`ConvertError::Rows`].
pub fn flatten(trained: &Trained, shape: Shape) -> Result<Forest, ConvertError> {
    let raw: RawForest = serde_json::from_value(serde_json::to_value(trained)?)?;
    let mut depth = 0;
    let trees: Vec<Vec<Node>> = raw
        .trees
        .iter()
        .map(|tree| lay_out(tree, &raw.classes, shape, &mut depth))
        .collect::<Result<_, _>>()?;
    Ok(Forest::assemble(&trees, depth, shape)?)
}

/// Level by level, the two children of a node beside one another.
fn lay_out(
    tree: &RawTree,
    classes: &[u32],
    shape: Shape,
    depth: &mut usize,
) -> Result<Vec<Node>, ConvertError> {
    let mut order = vec![(0_usize, 0_usize)];
    let mut nodes = Vec::with_capacity(tree.nodes.len());
    let mut at = 0;
    while let Some(&(index, level)) = order.get(at) {
        let raw = tree.nodes.get(index).ok_or(ConvertError::Tree)?;
        let class = *classes.get(raw.output).ok_or(ConvertError::Tree)? as u8;
        *depth = (*depth).max(level);
        nodes.push(match (raw.true_child, raw.false_child, raw.split_value) {
            (Some(below), Some(above), Some(value)) => {
                let left = order.len() as u16;
                order.extend([(below, level + 1), (above, level + 1)]);
                Node {
                    threshold: rounded_down(value),
                    left,
                    feature: raw.split_feature as u8,
                    class,
                }
            }
            (None, None, _) => {
                Node { threshold: 0.5, left: at as u16, feature: shape.features as u8, class }
            }
            _ => return Err(ConvertError::Tree),
        });
        at += 1;
    }
    Ok(nodes)
}

/// The largest `f32` that is not above `value`: for any `f32` x, x <= value exactly when x <= this.
fn rounded_down(value: f64) -> f32 {
    let near = value as f32;
    if f64::from(near) > value { near.next_down() } else { near }
}
