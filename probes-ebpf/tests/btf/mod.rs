//! As much of a BTF reader as comparing structs takes: `Documentation/bpf/btf.rst` of the kernel describes the
//! format. What is malformed panics: these are our own objects.

use object::{Object, ObjectSection};

/// A struct: its size, and its members in order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Struct {
    pub(crate) size: usize,
    pub(crate) members: Vec<Member>,
}

/// A member: where it lies, in bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) offset: usize,
    pub(crate) size: usize,
}

/// The types of an object; the type 0 is `void`.
pub(crate) struct Btf {
    types: Vec<Type>,
}

/// The first words of a type, and what follows them.
struct Type {
    name: String,
    kind: u32,
    /// A size or another type, depending on the kind.
    size_or_type: u32,
    data: Vec<u32>,
    members: Vec<(String, u32, u32)>,
}

const MAGIC: u16 = 0xeb9f;
const INT: u32 = 1;
const PTR: u32 = 2;
const ARRAY: u32 = 3;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
const TYPEDEF: u32 = 8;
const VOLATILE: u32 = 9;
const CONST: u32 = 10;
const RESTRICT: u32 = 11;
const FUNC_PROTO: u32 = 13;
const VAR: u32 = 14;
const DATASEC: u32 = 15;
const FLOAT: u32 = 16;
const DECL_TAG: u32 = 17;
const TYPE_TAG: u32 = 18;
const ENUM64: u32 = 19;

/// Words behind the first three, for kinds with so many elements.
fn data_words(kind: u32, elements: usize) -> usize {
    match kind {
        INT | VAR | DECL_TAG => 1,
        ARRAY => 3,
        STRUCT | UNION | DATASEC | ENUM64 => 3 * elements,
        ENUM | FUNC_PROTO => 2 * elements,
        _ => 0,
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn text(strings: &[u8], at: u32) -> String {
    let rest = &strings[at as usize..];
    let end = rest.iter().position(|byte| *byte == 0).unwrap();
    String::from_utf8(rest[..end].to_vec()).unwrap()
}

impl Btf {
    /// Reads the section `.BTF` of an object.
    pub(crate) fn of_object(object: &[u8]) -> Self {
        let file = object::File::parse(object).unwrap();
        Self::read(file.section_by_name(".BTF").expect("an object with BTF").data().unwrap())
    }

    fn read(section: &[u8]) -> Self {
        assert_eq!(u16::from_le_bytes([section[0], section[1]]), MAGIC);
        // Header: magic, version and flags; its length; offset and length of the types, then of the strings.
        let [header, types, types_length, strings] = [4, 8, 12, 16].map(|at| word(section, at) as usize);
        let strings = &section[header + strings..];
        let mut rest = &section[header + types..header + types + types_length];
        let mut read = vec![Type::void()];
        while !rest.is_empty() {
            let (one, length) = Type::read(rest, strings);
            read.push(one);
            rest = &rest[length..];
        }
        Self { types: read }
    }

    /// The struct of a name; `None` if it is not described, or only declared.
    pub(crate) fn find(&self, name: &str) -> Option<Struct> {
        let mut found = self.types.iter().filter(|one| one.kind == STRUCT && one.name == name);
        let one = found.next()?;
        assert!(found.next().is_none(), "two structs {name}");
        let member = |(name, of, bits): &(String, u32, u32)| {
            assert!(bits % 8 == 0, "{name} is a bit field");
            Member { name: name.clone(), offset: *bits as usize / 8, size: self.size_of(*of) }
        };
        let members = one.members.iter().map(member).collect();
        Some(Struct { size: one.size_or_type as usize, members })
    }

    fn size_of(&self, id: u32) -> usize {
        let one = &self.types[id as usize];
        match one.kind {
            INT | STRUCT | UNION | ENUM | FLOAT | ENUM64 => one.size_or_type as usize,
            PTR => 8,
            ARRAY => self.size_of(one.data[0]) * one.data[2] as usize,
            TYPEDEF | VOLATILE | CONST | RESTRICT | TYPE_TAG => self.size_of(one.size_or_type),
            kind => panic!("a member of kind {kind} has no size"),
        }
    }
}

impl Type {
    fn void() -> Self {
        Self { name: String::new(), kind: 0, size_or_type: 0, data: Vec::new(), members: Vec::new() }
    }

    /// The first type in `bytes`, and how many of them it takes.
    fn read(bytes: &[u8], strings: &[u8]) -> (Self, usize) {
        let [name, info, size_or_type] = [0, 4, 8].map(|at| word(bytes, at));
        let kind = info >> 24 & 0x1f;
        let words = data_words(kind, (info & 0xffff) as usize);
        let data: Vec<u32> = (0..words).map(|index| word(bytes, 12 + 4 * index)).collect();
        // With this bit set, offsets are not plain numbers of bits: only bit fields need that.
        assert!(info >> 31 == 0 || kind != STRUCT, "a struct with bit fields");
        let is_record = kind == STRUCT || kind == UNION;
        let members = data.chunks_exact(3).filter(|_| is_record);
        let members = members.map(|member| (text(strings, member[0]), member[1], member[2])).collect();
        (Self { name: text(strings, name), kind, size_or_type, data, members }, 12 + 4 * words)
    }
}
