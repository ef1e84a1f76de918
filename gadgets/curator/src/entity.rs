//! The kinds of value that are redacted.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! entities {
    ($($(#[$doc:meta])* $entity:ident $name:literal $label:literal,)*) => {
        /// A kind of value that must not leave the host.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum Entity { $($(#[$doc])* $entity,)* }

        impl Entity {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$entity,)*];

            /// The name in settings, reports and ledgers.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$entity => $name,)* }
            }

            /// The word in a redaction: `[CARD_REDACTED]`.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Self::$entity => $label,)* }
            }
        }
    };
}

entities! {
    /// A payment card's number (ISO/IEC 7812, with its Luhn digit).
    Card "card" "CARD",
    /// A social security number of the United States.
    Ssn "ssn" "SSN",
    /// An international bank account number (ISO 13616).
    Iban "iban" "IBAN",
    /// Any other national identification number with a check digit.
    NationalId "national-id" "NATIONAL_ID",
    /// A telephone number.
    Phone "phone" "PHONE",
    /// A mail address.
    Email "email" "EMAIL",
    /// An IP address whose owner the line tells.
    Ip "ip" "IP",
    /// A person's name.
    Name "name" "NAME",
    /// A street address.
    Address "address" "ADDRESS",
    /// A date of birth.
    BirthDate "birth-date" "BIRTH_DATE",
    /// A password.
    Password "password" "PASSWORD",
    /// A key or token of an API.
    ApiKey "api-key" "API_KEY",
    /// A JSON web token (RFC 7519).
    Jwt "jwt" "JWT",
    /// A private key in PEM.
    PrivateKey "private-key" "PRIVATE_KEY",
    /// Where and how to connect, with a password in it.
    ConnectionString "connection-string" "CONNECTION_STRING",
    /// Another value that a key calls secret.
    Secret "secret" "SECRET",
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
