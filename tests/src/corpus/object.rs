//! Builds objects from `object.wat`: an entry replaces the parts in which it differs from a harmless object.
//!
//! Each part begins with a line `@part`, whose content is the rest of the line and all lines up to the next part:
//!
//! - `@describe`, `@restore`, `@handle`, `@snapshot`, `@realloc`: the body of a function, in WAT.
//! - `@module`: more of the core module, such as functions, or data that overwrite the description.
//! - `@memory`: the type of the memory.
//! - `@imports`: functions of the host, of [`IMPORTS`].
//! - `@lift`: more options of the function `handle`.
//! - `@name`, `@documentation`, `@version`, `@content`, `@schema`: members of the description.
//! - `@handlers`: a handler in each line: its name, its kind, and the schema of its argument.
//! - `@argument`: the JSON with which the test calls the handler `go`.

use std::fmt::Write as _;

/// A function of the host: its import, its lowered form, and its type in the core module.
struct Import {
    name: &'static str,
    interface: &'static str,
    function: &'static str,
    core: &'static str,
}

/// Types that several interfaces use.
const TYPES: &str = r#"
  (import "highlander:object/types@0.1.0" (instance $types
    (type $variant (variant (case "not-in-query") (case "invalid" string) (case "too-much" string)))
    (export "effect-error" (type (eq $variant)))))
  (alias export $types "effect-error" (type $effect-error))
"#;

const IMPORTS: [Import; 5] = [
    Import {
        name: "log",
        interface: r#"(import "highlander:object/log@0.1.0" (instance $log
            (type $enum (enum "debug" "info" "warn" "error"))
            (export "level" (type $level (eq $enum)))
            (export "write" (func (param "level" $level) (param "message" string)))))"#,
        function: "write",
        core: "(param i32 i32 i32)",
    },
    Import {
        name: "clock",
        interface: r#"(import "highlander:object/clock@0.1.0" (instance $clock
            (export "now-ms" (func (result u64)))))"#,
        function: "now-ms",
        core: "(result i64)",
    },
    Import {
        name: "events",
        interface: r#"(import "highlander:object/events@0.1.0" (instance $events
            (alias outer $C $effect-error (type $outer))
            (export "effect-error" (type $error (eq $outer)))
            (export "publish" (func (param "name" string) (param "data" (list u8))
              (result (result (error $error)))))))"#,
        function: "publish",
        core: "(param i32 i32 i32 i32 i32)",
    },
    Import {
        name: "objects",
        interface: r#"(import "highlander:object/objects@0.1.0" (instance $objects
            (alias outer $C $effect-error (type $outer))
            (export "effect-error" (type $error (eq $outer)))
            (export "send" (func (param "type" string) (param "key" string) (param "handler" string)
              (param "argument" (list u8)) (result (result (error $error)))))))"#,
        function: "send",
        core: "(param i32 i32 i32 i32 i32 i32 i32 i32 i32)",
    },
    Import {
        name: "alarms",
        interface: r#"(import "highlander:object/alarms@0.1.0" (instance $alarms
            (alias outer $C $effect-error (type $outer))
            (export "effect-error" (type $error (eq $outer)))
            (type $variant (variant (case "at-ms" u64) (case "after-ms" u64)))
            (export "due" (type $due (eq $variant)))
            (export "set" (func (param "name" string) (param "due" $due) (param "every-ms" (option u64))
              (param "handler" string) (param "argument" (list u8)) (result (result (error $error)))))))"#,
        function: "set",
        core: "(param i32 i32 i32 i64 i32 i64 i32 i32 i32 i32 i32)",
    },
];

/// Allocates without ever freeing; the object frees everything before it returns.
const REALLOC: &str = "(local.set $at (global.get $free))
      (global.set $free (i32.and (i32.add (i32.add (local.get $at) (local.get $size)) (i32.const 15)) (i32.const -8)))
      (local.get $at)";
const SUCCESS: &str = "(call $reset) (i32.store8 (i32.const 256) (i32.const 0)) (i32.const 256)";
const REPLY: &str = "(call $answer (i32.const 512) (i32.const 4))";
/// A list of bytes, without the discriminant of a result.
const STATE: &str = "(drop (call $answer (i32.const 512) (i32.const 4))) (i32.const 260)";

/// Address of the description.
const DESCRIPTION: usize = 1024;
const PAGE: usize = 64 << 10;

/// Parts of an object, by name.
#[derive(Debug)]
pub(super) struct Parts {
    name: String,
    parts: Vec<(String, String)>,
}

impl Parts {
    /// Reads the parts of an entry.
    pub(super) fn read(name: &str, body: &str) -> Self {
        let sections = body.strip_prefix('@').map(|body| body.split("\n@"));
        let parts = sections.into_iter().flatten().map(|section| {
            let end = section.find([' ', '\n']).unwrap_or(section.len());
            (section[..end].to_owned(), section[end..].trim().to_owned())
        });
        Self { name: name.to_owned(), parts: parts.collect() }
    }

    /// Returns the argument of the call.
    pub(super) fn argument(&self) -> &str {
        self.part("argument", "null")
    }

    /// Returns the name of the object's type.
    pub(super) fn type_name(&self) -> &str {
        self.part("name", &self.name)
    }

    fn part<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        let found = self.parts.iter().find(|(found, _)| found == name);
        found.map_or(default, |(_, text)| text)
    }

    /// Returns the component as text.
    pub(super) fn text(&self) -> String {
        let description = self.description();
        let heap = (DESCRIPTION + description.len()).next_multiple_of(PAGE);
        let pages = (heap / PAGE + 1).to_string();
        let escaped = description.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "\\{byte:02x}");
            text
        });
        let [imports, lowered, host, passed] = self.imports();
        let parts = [
            ("@MEMORY@", self.part("memory", &pages)),
            ("@REALLOC@", self.part("realloc", REALLOC)),
            ("@HEAP@", &heap.to_string()),
            ("@IMPORTS@", &imports),
            ("@LOWERED@", &lowered),
            ("@HOST@", &host),
            ("@PASSED@", &passed),
            ("@DESCRIPTION@", &escaped),
            ("@MODULE@", self.part("module", "")),
            ("@DESCRIBE@", self.part("describe", "(i32.const 1024)")),
            ("@RESTORE@", self.part("restore", SUCCESS)),
            ("@SNAPSHOT@", self.part("snapshot", STATE)),
            ("@HANDLE@", self.part("handle", REPLY)),
            ("@LIFT@", self.part("lift", "")),
        ];
        parts.iter().fold(include_str!("object.wat").to_owned(), |text, (place, part)| {
            text.replace(place, part)
        })
    }

    /// Returns the imports, their lowered forms, their imports by the core module, and their instance.
    fn imports(&self) -> [String; 4] {
        let wanted: Vec<_> = self.part("imports", "").split_whitespace().collect();
        let mut texts = [const { String::new() }; 4];
        let [imports, lowered, host, passed] = &mut texts;
        if wanted.iter().any(|name| ["events", "objects", "alarms"].contains(name)) {
            imports.push_str(TYPES);
        }
        for import in IMPORTS.iter().filter(|import| wanted.contains(&import.name)) {
            let Import { name, interface, function, core } = import;
            let _ = writeln!(imports, "{interface}");
            let _ = writeln!(
                lowered,
                r#"(core func $host-{name} (canon lower (func ${name} "{function}")
                    (memory (core memory $storage "memory")) (realloc (core func $storage "realloc"))))"#
            );
            let _ = writeln!(host, r#"(import "host" "{name}" (func ${name} {core}))"#);
            let _ = writeln!(passed, r#"(export "{name}" (func $host-{name}))"#);
        }
        texts
    }

    /// Returns the description as it is in memory: the record, its handlers, and all texts.
    fn description(&self) -> Vec<u8> {
        let handlers: Vec<_> = self.part("handlers", "go update true").lines().collect();
        let (record_size, handler_size) = (48, 36);
        let texts_begin = DESCRIPTION + record_size + handler_size * handlers.len();
        let (mut record, mut texts) = (Vec::new(), Vec::<u8>::new());
        let mut text = |record: &mut Vec<u8>, text: &str| {
            record.extend(word(texts_begin + texts.len()));
            record.extend(word(text.len()));
            texts.extend(text.as_bytes());
        };
        text(&mut record, self.type_name());
        text(&mut record, self.part("documentation", ""));
        record.extend(word(self.part("version", "1").parse().unwrap()));
        text(&mut record, self.part("content", "application/json"));
        text(&mut record, self.part("schema", "true"));
        record.extend(word(DESCRIPTION + record_size));
        record.extend(word(handlers.len()));
        record.extend(word(0));
        for handler in handlers {
            let mut words = handler.splitn(3, ' ');
            text(&mut record, words.next().unwrap_or_default());
            record.extend(word(usize::from(words.next() == Some("query"))));
            text(&mut record, "");
            text(&mut record, words.next().unwrap_or("true"));
            text(&mut record, "true");
        }
        record.extend(texts);
        record
    }
}

fn word(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap().to_le_bytes()
}
