//! What `--storage` means for directory trees at the start.

use super::check::{ConfigError, Node};
use super::parse::{StoragePolicy, bad};
use std::path::PathBuf;
use tracer::record::Tree;

impl Node {
    /// Trees that the standby makes the same as the primary's, or compares with it, before the
    /// application runs. An error where a policy asks for more than this version can do.
    pub fn trees(&self) -> Result<Vec<Tree>, ConfigError> {
        let mut trees: Vec<Tree> = Vec::new();
        for rule in &self.storage {
            let shown = rule.path.display().to_string();
            let copied = match rule.policy {
                StoragePolicy::Unshared => true,
                StoragePolicy::Readonly => false,
                StoragePolicy::Shared => {
                    let why =
                        "this version cannot keep the standby off storage that both nodes share";
                    return Err(bad("--storage", &shown, why));
                }
            };
            if rule.path.parent().is_none() {
                return Err(bad("--storage", &shown, "not the root of all files"));
            }
            let within = |tree: &Tree| {
                tree.root.starts_with(&rule.path) || rule.path.starts_with(&tree.root)
            };
            if let Some(other) = trees.iter().find(|tree| within(tree)) {
                let why = format!("it overlaps {}", other.root.display());
                return Err(bad("--storage", &shown, &why));
            }
            trees.push(Tree {
                root: rule.path.clone(),
                copied,
            });
        }
        Ok(trees)
    }

    /// Those that this node, as a standby, makes the same.
    pub fn copied_trees(&self) -> Result<Vec<PathBuf>, ConfigError> {
        let copied = self.trees()?.into_iter().filter(|tree| tree.copied);
        Ok(copied.map(|tree| tree.root).collect())
    }
}
