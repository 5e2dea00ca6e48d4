//! A cursor over MessagePack.

use rmp::Marker;

/// Bytes that are not what an engine publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The bytes end within a value.
    #[error("it ends too early")]
    Short,
    /// A value of another type than the place has.
    #[error("{0}")]
    Shape(&'static str),
}

type Result<T> = std::result::Result<T, Malformed>;

/// What is left to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Reader(bytes)
    }

    pub(crate) fn array(&mut self) -> Result<u32> {
        match self.marker()? {
            Marker::FixArray(length) => Ok(length.into()),
            Marker::Array16 => Ok(u16::from_be_bytes(self.bytes()?).into()),
            Marker::Array32 => Ok(u32::from_be_bytes(self.bytes()?)),
            _ => Err(Malformed::Shape("a list was expected")),
        }
    }

    /// The length of an array, or of nothing: nil.
    pub(crate) fn array_or_nil(&mut self) -> Result<u32> {
        match self.peek()? {
            Marker::Null => self.skip().map(|()| 0),
            _ => self.array(),
        }
    }

    pub(crate) fn map(&mut self) -> Result<u32> {
        match self.marker()? {
            Marker::FixMap(length) => Ok(length.into()),
            Marker::Map16 => Ok(u16::from_be_bytes(self.bytes()?).into()),
            Marker::Map32 => Ok(u32::from_be_bytes(self.bytes()?)),
            _ => Err(Malformed::Shape("a map was expected")),
        }
    }

    pub(crate) fn is_map(&self) -> Result<bool> {
        Ok(matches!(self.peek()?, Marker::FixMap(_) | Marker::Map16 | Marker::Map32))
    }

    pub(crate) fn is_string(&self) -> Result<bool> {
        Ok(matches!(self.peek()?, Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32))
    }

    pub(crate) fn is_array(&self) -> Result<bool> {
        Ok(matches!(self.peek()?, Marker::FixArray(_) | Marker::Array16 | Marker::Array32))
    }

    pub(crate) fn float(&mut self) -> Result<f64> {
        match self.peek()? {
            Marker::F64 => {
                self.marker()?;
                Ok(f64::from_be_bytes(self.bytes()?))
            }
            Marker::F32 => {
                self.marker()?;
                Ok(f32::from_be_bytes(self.bytes()?).into())
            }
            _ => Ok(self.integer()? as f64),
        }
    }

    /// The 64 bits of an integer, whichever its sign.
    pub(crate) fn bits(&mut self) -> Result<u64> {
        match self.peek()? {
            Marker::U64 => {
                self.marker()?;
                Ok(u64::from_be_bytes(self.bytes()?))
            }
            _ => Ok(self.integer()?.cast_unsigned()),
        }
    }

    pub(crate) fn bits_or_nil(&mut self) -> Result<Option<u64>> {
        match self.peek()? {
            Marker::Null => self.skip().map(|()| None),
            _ => self.bits().map(Some),
        }
    }

    /// An integer of at most 63 bits and a sign.
    fn integer(&mut self) -> Result<i64> {
        Ok(match self.marker()? {
            Marker::FixPos(value) => value.into(),
            Marker::FixNeg(value) => value.into(),
            Marker::U8 => u8::from_be_bytes(self.bytes()?).into(),
            Marker::U16 => u16::from_be_bytes(self.bytes()?).into(),
            Marker::U32 => u32::from_be_bytes(self.bytes()?).into(),
            Marker::U64 => i64::try_from(u64::from_be_bytes(self.bytes()?))
                .map_err(|_| Malformed::Shape("an integer is too large"))?,
            Marker::I8 => i8::from_be_bytes(self.bytes()?).into(),
            Marker::I16 => i16::from_be_bytes(self.bytes()?).into(),
            Marker::I32 => i32::from_be_bytes(self.bytes()?).into(),
            Marker::I64 => i64::from_be_bytes(self.bytes()?),
            _ => return Err(Malformed::Shape("an integer was expected")),
        })
    }

    pub(crate) fn token(&mut self) -> Result<u32> {
        u32::try_from(self.integer()?).map_err(|_| Malformed::Shape("a token id has 32 bits"))
    }

    /// A string, if the value is one; anything else is skipped.
    pub(crate) fn string(&mut self) -> Result<Option<&'a str>> {
        let length = match self.peek()? {
            Marker::FixStr(length) => {
                self.marker()?;
                u32::from(length)
            }
            Marker::Str8 => {
                self.marker()?;
                u8::from_be_bytes(self.bytes()?).into()
            }
            Marker::Str16 => {
                self.marker()?;
                u16::from_be_bytes(self.bytes()?).into()
            }
            Marker::Str32 => {
                self.marker()?;
                u32::from_be_bytes(self.bytes()?)
            }
            _ => return self.skip().map(|()| None),
        };
        let text = self.take(length as usize)?;
        std::str::from_utf8(text).map(Some).map_err(|_| Malformed::Shape("a string is not UTF-8"))
    }

    /// One value, whatever it holds.
    pub(crate) fn skip(&mut self) -> Result<()> {
        let mut values: u64 = 1;
        while values > 0 {
            values -= 1;
            let bytes = match self.marker()? {
                Marker::FixPos(_)
                | Marker::FixNeg(_)
                | Marker::Null
                | Marker::True
                | Marker::False => 0,
                Marker::U8 | Marker::I8 => 1,
                Marker::U16 | Marker::I16 | Marker::FixExt1 => 2,
                Marker::FixExt2 => 3,
                Marker::U32 | Marker::I32 | Marker::F32 => 4,
                Marker::FixExt4 => 5,
                Marker::U64 | Marker::I64 | Marker::F64 => 8,
                Marker::FixExt8 => 9,
                Marker::FixExt16 => 17,
                Marker::FixStr(length) => length.into(),
                Marker::Str8 | Marker::Bin8 => u8::from_be_bytes(self.bytes()?).into(),
                Marker::Str16 | Marker::Bin16 => u16::from_be_bytes(self.bytes()?).into(),
                Marker::Str32 | Marker::Bin32 => u32::from_be_bytes(self.bytes()?) as usize,
                Marker::Ext8 => usize::from(u8::from_be_bytes(self.bytes()?)) + 1,
                Marker::Ext16 => usize::from(u16::from_be_bytes(self.bytes()?)) + 1,
                Marker::Ext32 => u32::from_be_bytes(self.bytes()?) as usize + 1,
                Marker::FixArray(length) => {
                    values += u64::from(length);
                    0
                }
                Marker::Array16 => {
                    values += u64::from(u16::from_be_bytes(self.bytes()?));
                    0
                }
                Marker::Array32 => {
                    values += u64::from(u32::from_be_bytes(self.bytes()?));
                    0
                }
                Marker::FixMap(length) => {
                    values += 2 * u64::from(length);
                    0
                }
                Marker::Map16 => {
                    values += 2 * u64::from(u16::from_be_bytes(self.bytes()?));
                    0
                }
                Marker::Map32 => {
                    values += 2 * u64::from(u32::from_be_bytes(self.bytes()?));
                    0
                }
                Marker::Reserved => return Err(Malformed::Shape("a marker is none")),
            };
            self.take(bytes)?;
        }
        Ok(())
    }

    fn peek(&self) -> Result<Marker> {
        self.0.first().map(|byte| Marker::from_u8(*byte)).ok_or(Malformed::Short)
    }

    fn marker(&mut self) -> Result<Marker> {
        let [byte] = self.bytes()?;
        Ok(Marker::from_u8(byte))
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk().ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(*head)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length).ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(head)
    }
}
