//! In which notations records are written.

/// A notation for records.
#[derive(Clone, Copy)]
pub(crate) struct Notation {
    pub open: &'static str,
    /// Before and after a key.
    pub key: (&'static str, &'static str),
    /// Before and after a value.
    pub value: (&'static str, &'static str),
    pub between: &'static str,
    pub close: &'static str,
    /// Key styles that it uses.
    pub styles: &'static [usize],
    pub escape: Escape,
}

/// How a value is written so that a notation can hold it.
#[derive(Clone, Copy)]
pub(crate) enum Escape {
    None,
    Json,
    JsonTwice,
    Url,
    /// As a form's body: white space is a plus.
    Form,
    Xml,
    /// Quotes where white space is.
    Quote,
}

const ANY: &[usize] = &[0, 1, 2, 3, 4, 5, 7, 8];
const SNAKE: &[usize] = &[0, 1, 3, 4, 8];

const fn notation(
    open: &'static str,
    key: (&'static str, &'static str),
    value: (&'static str, &'static str),
    between: &'static str,
    close: &'static str,
    styles: &'static [usize],
    escape: Escape,
) -> Notation {
    Notation { open, key, value, between, close, styles, escape }
}

/// The notations, by the names of their slots.
pub(crate) const NOTATIONS: &[(&str, &[Notation])] = &[
    (
        "r_logfmt",
        &[
            notation("", ("", "="), ("", ""), " ", "", ANY, Escape::Quote),
            notation("", ("", "="), ("\"", "\""), " ", "", SNAKE, Escape::Json),
        ],
    ),
    (
        "r_kvcomma",
        &[
            notation("", ("", "="), ("", ""), ", ", "", ANY, Escape::None),
            notation("", ("", "="), ("", ""), ",", "", ANY, Escape::None),
            notation("", ("", "="), ("", ""), "; ", "", ANY, Escape::None),
            notation("", ("", "="), ("", ""), " | ", "", ANY, Escape::None),
        ],
    ),
    (
        "r_colon",
        &[
            notation("", ("", ": "), ("", ""), ", ", "", &[0, 5, 9, 11], Escape::None),
            notation("", ("", ": "), ("", ""), " | ", "", &[0, 9, 11], Escape::None),
            notation("", ("", ":"), ("", ""), " ", "", &[0, 3, 5], Escape::None),
            notation("", ("", ": "), ("'", "'"), ", ", "", &[0, 9, 11], Escape::None),
            notation("", ("", " : "), ("", ""), "; ", "", &[9, 11, 7], Escape::None),
        ],
    ),
    (
        "r_json",
        &[
            notation("{", ("\"", "\":"), ("\"", "\""), ",", "}", SNAKE, Escape::Json),
            notation("{", ("\"", "\": "), ("\"", "\""), ", ", "}", SNAKE, Escape::Json),
            notation("{ ", ("\"", "\" : "), ("\"", "\""), " , ", " }", SNAKE, Escape::Json),
        ],
    ),
    (
        "r_jsonesc",
        &[
            notation("{", ("\\\"", "\\\":"), ("\\\"", "\\\""), ",", "}", SNAKE, Escape::JsonTwice),
            notation(
                "{",
                ("\\\\\\\"", "\\\\\\\":"),
                ("\\\\\\\"", "\\\\\\\""),
                ",",
                "}",
                SNAKE,
                Escape::JsonTwice,
            ),
            notation(
                "{\\n  ",
                ("\\\"", "\\\": "),
                ("\\\"", "\\\""),
                ",\\n  ",
                "\\n}",
                SNAKE,
                Escape::JsonTwice,
            ),
        ],
    ),
    (
        "r_python",
        &[
            notation("{", ("'", "': "), ("'", "'"), ", ", "}", SNAKE, Escape::None),
            notation("(", ("", "="), ("'", "'"), ", ", ")", SNAKE, Escape::None),
            notation("[", ("('", "', "), ("'", "')"), ", ", "]", SNAKE, Escape::None),
        ],
    ),
    (
        "r_java",
        &[
            notation("{", ("", "="), ("", ""), ", ", "}", &[3, 4], Escape::None),
            notation("(", ("", "="), ("", ""), ", ", ")", &[3, 4], Escape::None),
            notation("[", ("", "="), ("", ""), ", ", "]", &[3, 4], Escape::None),
            notation("{", ("", "="), ("'", "'"), ", ", "}", &[3, 4], Escape::None),
            notation("Map(", ("", " -> "), ("", ""), ", ", ")", &[3, 4], Escape::None),
        ],
    ),
    (
        "r_go",
        &[
            notation("{", ("", ":"), ("", ""), " ", "}", &[5], Escape::None),
            notation("&{", ("", ":"), ("\"", "\""), ", ", "}", &[5], Escape::None),
            notation("map[", ("", ":"), ("", ""), " ", "]", &[0, 3], Escape::None),
            notation("", ("", "="), ("\"", "\""), " ", "", &[0, 3], Escape::None),
        ],
    ),
    (
        "r_rust",
        &[
            notation(" { ", ("", ": "), ("\"", "\""), ", ", " }", &[0], Escape::None),
            notation(" { ", ("", ": Some(\""), ("", "\")"), ", ", " }", &[0], Escape::None),
        ],
    ),
    (
        "r_node",
        &[
            notation("{ ", ("", ": "), ("'", "'"), ", ", " }", SNAKE, Escape::None),
            notation("{ ", ("", ": "), ("\"", "\""), ", ", " }", SNAKE, Escape::Json),
            notation("{\\n  ", ("", ": "), ("'", "'"), ",\\n  ", "\\n}", SNAKE, Escape::None),
        ],
    ),
    (
        "r_inspect",
        &[
            notation(" ", ("", ": "), ("\"", "\""), ", ", ">", &[0], Escape::Json),
            notation("(", ("", "="), ("\"", "\""), ", ", ")", SNAKE, Escape::Json),
            notation(" ", ("", "="), ("'", "'"), " ", "", &[0], Escape::None),
        ],
    ),
    (
        "r_form",
        &[
            notation("", ("", "="), ("", ""), "&", "", &[0, 3, 8], Escape::Form),
            notation("", ("user[", "]="), ("", ""), "&", "", &[0], Escape::Form),
        ],
    ),
    (
        "r_ini",
        &[
            notation("", ("", " = "), ("", ""), "\\n", "", SNAKE, Escape::None),
            notation("", ("", " = "), ("\"", "\""), "\\n", "", SNAKE, Escape::None),
            notation("", ("", " = "), ("'", "'"), ", ", "", SNAKE, Escape::None),
        ],
    ),
    (
        "r_sdid",
        &[
            notation("[req@4711 ", ("", "="), ("\"", "\""), " ", "]", SNAKE, Escape::Json),
            notation("|", ("", "="), ("", ""), " ", "", &[3, 8], Escape::None),
        ],
    ),
    (
        "r_ruby",
        &[
            notation("{", (":", "=>"), ("\"", "\""), ", ", "}", &[0], Escape::None),
            notation("{", ("\"", "\"=>"), ("\"", "\""), ", ", "}", &[0], Escape::None),
            notation("#<", ("@", "="), ("\"", "\""), ", ", ">", &[0], Escape::None),
            notation("array(", ("'", "' => "), ("'", "'"), ", ", ")", &[0, 3], Escape::None),
        ],
    ),
    (
        "r_xmlattr",
        &[
            notation("<row ", ("", "="), ("\"", "\""), " ", "/>", &[0, 3, 5, 6, 10], Escape::Xml),
            notation("<Person ", ("", "="), ("'", "'"), " ", ">", &[3, 5], Escape::Xml),
        ],
    ),
    (
        "r_url",
        &[
            notation("?", ("", "="), ("", ""), "&", "", &[0, 3, 6, 8], Escape::Url),
            notation("", ("", "="), ("", ""), "&", "", &[0, 3, 8], Escape::Url),
        ],
    ),
    (
        "r_flags",
        &[
            notation("", ("--", " "), ("", ""), " ", "", &[6, 8], Escape::Quote),
            notation("", ("--", "="), ("", ""), " ", "", &[6, 8], Escape::Quote),
            notation("", ("-", " "), ("'", "'"), " ", "", &[8], Escape::None),
            notation("", ("-D", "="), ("", ""), " ", "", &[10, 0], Escape::Quote),
        ],
    ),
    (
        "r_env",
        &[
            notation("", ("", "="), ("", ""), " ", "", &[7], Escape::Quote),
            notation("export ", ("", "="), ("\"", "\""), "; export ", "", &[7], Escape::None),
            notation("env: ", ("", "="), ("", ""), ", ", "", &[7], Escape::None),
        ],
    ),
    (
        "r_headers",
        &[
            notation("", ("X-", ": "), ("", ""), "\\r\\n", "", &[6, 9], Escape::None),
            notation("> ", ("", ": "), ("", ""), " > ", "", &[6], Escape::None),
            notation("[", ("x-", ":["), ("", "]"), " ", "]", &[6], Escape::None),
        ],
    ),
    (
        "r_proto",
        &[
            notation("", ("", ": "), ("\"", "\""), " ", "", &[0], Escape::None),
            notation("{ ", ("", ": "), ("\"", "\""), " ", " }", &[0], Escape::None),
        ],
    ),
    (
        "r_yaml",
        &[
            notation("", ("- ", ": "), ("", ""), " ", "", &[0, 3], Escape::None),
            notation("", ("", ": "), ("", ""), "\\n", "", &[0, 3], Escape::None),
        ],
    ),
    (
        "r_brackets",
        &[
            notation("", ("[", ":"), ("", "]"), " ", "", &[0, 3], Escape::None),
            notation("", ("[", "="), ("", "]"), "", "", &[0, 3], Escape::None),
            notation("", ("<", ">"), ("", ""), " ", "", &[0, 5, 7], Escape::None),
            notation("", ("", "("), ("", ")"), " ", "", &[0, 3, 7], Escape::None),
            notation("", ("", "["), ("", "]"), " ", "", &[0, 3, 7], Escape::None),
            notation("", ("", "~"), ("", ""), "~", "", &[0, 7], Escape::None),
        ],
    ),
];
