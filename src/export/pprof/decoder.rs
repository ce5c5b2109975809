//! A reader of profiles for tests: protobuf's wire format by hand, sharing no
//! code with the writer. A decoder from elsewhere would make every first build
//! of an example build that too.
// Some fields are filled in where there are symbols alone.
#![cfg_attr(not(all(feature = "symbolize", cfi)), allow(dead_code))]

/// A message of any type.
#[derive(Clone, Debug)]
pub(super) struct Message(Vec<(u64, Value)>);

#[derive(Clone, Debug)]
enum Value {
    Number(u64),
    Bytes(Vec<u8>),
}

impl Message {
    pub(super) fn parse(mut bytes: &[u8]) -> Self {
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let key = varint(&mut bytes);
            let value = match key & 7 {
                0 => Value::Number(varint(&mut bytes)),
                2 => {
                    let len = varint(&mut bytes) as usize;
                    let (value, rest) = bytes.split_at(len);
                    bytes = rest;
                    Value::Bytes(value.to_vec())
                }
                wire_type => panic!("wire type {wire_type} is not in profile.proto"),
            };
            fields.push((key >> 3, value));
        }
        Self(fields)
    }

    /// A number; 0 if it is absent.
    pub(super) fn number(&self, field: u64) -> i64 {
        self.numbers(field).last().copied().unwrap_or(0)
    }

    /// Repeated numbers, packed or not.
    pub(super) fn numbers(&self, field: u64) -> Vec<i64> {
        let mut numbers = Vec::new();
        for value in self.values(field) {
            match value {
                Value::Number(number) => numbers.push(*number as i64),
                Value::Bytes(packed) => {
                    let mut packed = &packed[..];
                    while !packed.is_empty() {
                        numbers.push(varint(&mut packed) as i64);
                    }
                }
            }
        }
        numbers
    }

    pub(super) fn strings(&self, field: u64) -> Vec<String> {
        self.bytes(field)
            .map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
            .collect()
    }

    pub(super) fn messages(&self, field: u64) -> Vec<Message> {
        self.bytes(field).map(Message::parse).collect()
    }

    fn bytes(&self, field: u64) -> impl Iterator<Item = &[u8]> {
        self.values(field).map(|value| match value {
            Value::Bytes(bytes) => &bytes[..],
            Value::Number(_) => panic!("a number where bytes were expected"),
        })
    }

    fn values(&self, field: u64) -> impl Iterator<Item = &Value> {
        self.0
            .iter()
            .filter(move |(number, _)| *number == field)
            .map(|(_, value)| value)
    }
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..).step_by(7) {
        let (byte, rest) = bytes.split_first().expect("a whole number");
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    number
}

/// The fields of profile.proto that tests look at.
#[derive(Debug)]
pub(super) struct Profile {
    pub(super) sample_type: Vec<ValueType>,
    pub(super) sample: Vec<Sample>,
    pub(super) mapping: Vec<Mapping>,
    pub(super) location: Vec<Location>,
    pub(super) function: Vec<Function>,
    pub(super) string_table: Vec<String>,
    pub(super) drop_frames: i64,
    pub(super) keep_frames: i64,
    pub(super) time_nanos: i64,
    pub(super) duration_nanos: i64,
    pub(super) period_type: ValueType,
    pub(super) period: i64,
    pub(super) comment: Vec<i64>,
    pub(super) default_sample_type: i64,
}

impl Profile {
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let message = Message::parse(bytes);
        let value_type = |m: &Message| ValueType {
            ty: m.number(1),
            unit: m.number(2),
        };
        Self {
            sample_type: message.messages(1).iter().map(value_type).collect(),
            sample: message.messages(2).iter().map(Sample::new).collect(),
            mapping: message.messages(3).iter().map(Mapping::new).collect(),
            location: message.messages(4).iter().map(Location::new).collect(),
            function: message.messages(5).iter().map(Function::new).collect(),
            string_table: message.strings(6),
            drop_frames: message.number(7),
            keep_frames: message.number(8),
            time_nanos: message.number(9),
            duration_nanos: message.number(10),
            period_type: value_type(&message.messages(11)[0]),
            period: message.number(12),
            comment: message.numbers(13),
            default_sample_type: message.number(14),
        }
    }
}

#[derive(Debug)]
pub(super) struct ValueType {
    pub(super) ty: i64,
    pub(super) unit: i64,
}

#[derive(Debug)]
pub(super) struct Sample {
    pub(super) location_id: Vec<i64>,
    pub(super) value: Vec<i64>,
    pub(super) label: Vec<Label>,
}

impl Sample {
    fn new(message: &Message) -> Self {
        let label = |m: &Message| Label {
            key: m.number(1),
            str: m.number(2),
            num: m.number(3),
            num_unit: m.number(4),
        };
        Self {
            location_id: message.numbers(1),
            value: message.numbers(2),
            label: message.messages(3).iter().map(label).collect(),
        }
    }
}

#[derive(Debug)]
pub(super) struct Label {
    pub(super) key: i64,
    pub(super) str: i64,
    pub(super) num: i64,
    pub(super) num_unit: i64,
}

#[derive(Debug)]
pub(super) struct Mapping {
    pub(super) id: i64,
    pub(super) memory_start: i64,
    pub(super) memory_limit: i64,
    pub(super) file_offset: i64,
    pub(super) filename: i64,
    pub(super) build_id: i64,
    pub(super) has_functions: bool,
    /// Files, line numbers, inlined frames.
    pub(super) has_more: [bool; 3],
}

impl Mapping {
    fn new(message: &Message) -> Self {
        Self {
            id: message.number(1),
            memory_start: message.number(2),
            memory_limit: message.number(3),
            file_offset: message.number(4),
            filename: message.number(5),
            build_id: message.number(6),
            has_functions: message.number(7) != 0,
            has_more: [8, 9, 10].map(|field| message.number(field) != 0),
        }
    }
}

#[derive(Debug)]
pub(super) struct Location {
    pub(super) id: i64,
    pub(super) mapping_id: i64,
    pub(super) address: i64,
    pub(super) line: Vec<Line>,
}

impl Location {
    fn new(message: &Message) -> Self {
        let line = |m: &Message| Line {
            function_id: m.number(1),
            line: m.number(2),
        };
        Self {
            id: message.number(1),
            mapping_id: message.number(2),
            address: message.number(3),
            line: message.messages(4).iter().map(line).collect(),
        }
    }
}

#[derive(Debug)]
pub(super) struct Line {
    pub(super) function_id: i64,
    pub(super) line: i64,
}

#[derive(Debug)]
pub(super) struct Function {
    pub(super) id: i64,
    pub(super) name: i64,
    pub(super) system_name: i64,
    pub(super) filename: i64,
    pub(super) start_line: i64,
}

impl Function {
    fn new(message: &Message) -> Self {
        Self {
            id: message.number(1),
            name: message.number(2),
            system_name: message.number(3),
            filename: message.number(4),
            start_line: message.number(5),
        }
    }
}
