//! Assignment of the nodes of a run to the roles of the script.
//!
//! The script names node-1, node-2 and node-3 and their usual addresses. The roles are reassigned once the owner
//! of the object is known.

/// Number of nodes.
pub(super) const NODE_COUNT: usize = 3;

/// Returns the usual address of a node, by its number from 1.
pub(super) fn usual_address(number: usize) -> String {
    format!("127.0.0.1:741{number}")
}

/// Assignment of nodes to roles.
#[derive(Debug, Clone)]
pub(super) struct NodeRoles {
    /// Address of each node.
    addresses: [String; NODE_COUNT],
    /// Index of the node in each role.
    players: [usize; NODE_COUNT],
}

impl NodeRoles {
    /// Creates the assignment of each node to its own role.
    pub(super) fn new(addresses: [String; NODE_COUNT]) -> Self {
        Self { addresses, players: [0, 1, 2] }
    }

    /// Returns the address of the node with this index.
    pub(super) fn address(&self, index: usize) -> &str {
        self.addresses.get(index).map_or("", String::as_str)
    }

    /// Returns the index of the node in the role of this number.
    pub(super) fn player(&self, number: usize) -> usize {
        self.players.get(number.wrapping_sub(1)).copied().unwrap_or_default()
    }

    /// Assigns the role of this number to the node of this index, which swaps roles with the previous one.
    pub(super) fn give(&mut self, number: usize, index: usize) {
        let present = self.players.iter().position(|player| *player == index);
        if let Some(present) = present {
            self.players.swap(present, number.wrapping_sub(1).min(NODE_COUNT - 1));
        }
    }

    /// Replaces the names and addresses in a line of the script by those of this run.
    pub(super) fn rewrite(&self, line: &str) -> String {
        // In two passes, so that a replacement is not replaced again.
        let mut line = line.to_owned();
        for number in 1..=NODE_COUNT {
            line = line.replace(&usual_address(number), &format!("\u{1}{number}"));
            line = line.replace(&format!("node-{number}"), &format!("\u{2}{number}"));
        }
        for number in 1..=NODE_COUNT {
            let index = self.player(number);
            line = line.replace(&format!("\u{1}{number}"), self.address(index));
            line = line.replace(&format!("\u{2}{number}"), &name(index));
        }
        line
    }
}

/// Returns the name of the node with this index.
pub(super) fn name(index: usize) -> String {
    format!("node-{}", index + 1)
}

/// Returns the index of the node whose session has this name.
pub(super) fn index_of(node: &str) -> Option<usize> {
    (0..NODE_COUNT).find(|index| node.starts_with(&format!("{}-", name(*index))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles() -> NodeRoles {
        NodeRoles::new([1, 2, 3].map(|number| format!("127.0.0.1:100{number}")))
    }

    #[test]
    fn lines_are_rewritten_for_the_nodes_of_the_run() {
        let line = "drain node-3 --url http://127.0.0.1:7411";
        assert_eq!(roles().rewrite(line), "drain node-3 --url http://127.0.0.1:1001");
    }

    #[test]
    fn a_part_is_given_away_and_its_player_takes_the_other_one() {
        let mut roles = roles();
        roles.give(2, 0);
        assert_eq!(roles.rewrite("node-2 127.0.0.1:7411"), "node-1 127.0.0.1:1002");
        roles.give(3, 1);
        assert_eq!(roles.rewrite("node-1 node-2 node-3"), "node-3 node-1 node-2");
        roles.give(3, 1);
        assert_eq!(roles.player(3), 1);
    }

    #[test]
    fn a_session_leads_back_to_its_node() {
        assert_eq!(index_of("node-2-0a1b2c3d"), Some(1));
        assert_eq!(index_of("node-22"), None);
    }
}
