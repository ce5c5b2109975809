//! What the service keeps, and the clouds speak of.

use std::fmt;

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Provider {
    Aws,
    Azure,
}

impl Provider {
    pub(crate) const ALL: [Self; 2] = [Self::Aws, Self::Azure];
}

/// What one can have at a cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    Vpc,
    SecurityGroup,
    KeyPair,
    Vm,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Vpc, Self::SecurityGroup, Self::KeyPair, Self::Vm];
}

/// Something that one has at a cloud.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Resource {
    pub(crate) provider: Provider,
    pub(crate) kind: Kind,
    pub(crate) name: String,
    /// As the cloud calls it.
    pub(crate) id: String,
}

/// What a VM can be started from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Image {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) architecture: String,
    pub(crate) platform: String,
    pub(crate) owner: String,
    pub(crate) location: String,
    pub(crate) created: String,
    pub(crate) disks: Vec<Disk>,
    pub(crate) tags: Vec<Tag>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Disk {
    pub(crate) device: String,
    pub(crate) snapshot: String,
    pub(crate) gigabytes: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Tag {
    pub(crate) key: String,
    pub(crate) value: String,
}

/// As in addresses.
impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Aws => "aws",
            Self::Azure => "azure",
        })
    }
}

/// As in addresses.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vpc => "vpc",
            Self::SecurityGroup => "security-group",
            Self::KeyPair => "key-pair",
            Self::Vm => "vm",
        })
    }
}
