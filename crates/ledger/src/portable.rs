//! A ledger as plain lists, for files and the wire.
//!
//! What is read is put together block by block with the same checks as anything else, and must come out as it went in:
//! in order, apart from each other, and as large as they can be. So a damaged or made-up ledger is refused.

use manyhands_wire::frame::CreditRun;
use manyhands_wire::{Block, Outcome};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ledger::Ledger;

/// The lists, as they are read.
#[derive(Deserialize)]
#[serde(rename = "Ledger")]
struct Lists {
    units: u64,
    blocks: Vec<(Block, Outcome)>,
    credit: Vec<CreditRun>,
}

/// The lists, as they are written.
#[derive(Serialize)]
#[serde(rename = "Ledger")]
struct BorrowedLists<'a> {
    units: u64,
    blocks: Vec<(Block, &'a Outcome)>,
    credit: Vec<CreditRun>,
}

impl Serialize for Ledger {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let all = self.range();
        let lists = BorrowedLists {
            units: self.units(),
            blocks: self.blocks(all).collect(),
            credit: self.credit_runs(all).collect(),
        };
        lists.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Ledger {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let lists = Lists::deserialize(deserializer)?;
        let mut ledger = Self::new(lists.units);
        let mut at = 0;
        for (block, outcome) in &lists.blocks {
            if block.start() < at {
                return Err(D::Error::custom("the ledger's blocks are out of order or one over the other"));
            }
            at = block.range().end;
            ledger.insert(*block, outcome.clone()).map_err(D::Error::custom)?;
        }
        if ledger.kept() != lists.blocks.len() {
            return Err(D::Error::custom("the ledger's blocks are not as large as they can be"));
        }
        let mut at = 0;
        for run in &lists.credit {
            if run.units.is_empty() || run.units.start < at || run.units.end > lists.units {
                return Err(D::Error::custom("the ledger's credit is out of order or beyond the last unit"));
            }
            at = run.units.end;
            ledger.credit(run.units, run.by);
        }
        Ok(ledger)
    }
}
