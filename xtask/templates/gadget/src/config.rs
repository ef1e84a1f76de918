//! The settings.

use gadget_core::Percent;

/// How the newcomer judges.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// Share of the host's memory that should stay available, in percent. Default 10; 0 never finds it low; hosts that
    /// live from their page cache want more.
    pub floor: f64,
}

impl Default for Config {
    fn default() -> Self {
        Self { floor: 10.0 }
    }
}

/// A setting that cannot be.
#[derive(Debug, thiserror::Error, PartialEq)]
#[non_exhaustive]
pub enum ConfigError {
    /// Not a share of memory.
    #[error("floor must be 0 to 100 percent, found {found}")]
    Floor {
        /// What was set.
        found: f64,
    },
}

impl Config {
    pub(crate) fn floor(&self) -> Result<Percent, ConfigError> {
        match Percent::new(self.floor) {
            Ok(floor) if self.floor <= 100.0 => Ok(floor),
            _ => Err(ConfigError::Floor { found: self.floor }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_floor_outside_its_range_is_refused_with_the_value_found() {
        assert_eq!(Config { floor: 101.0 }.floor(), Err(ConfigError::Floor { found: 101.0 }));
        assert_eq!(Config { floor: -1.0 }.floor(), Err(ConfigError::Floor { found: -1.0 }));
        assert!(Config { floor: f64::NAN }.floor().is_err());
        assert!(Config::default().floor().is_ok());
    }
}
