//! Reading pickles without executing anything: only what state dicts are made of has a meaning, everything else is kept by name.

use std::cell::RefCell;
use std::rc::Rc;

use crate::Error;

/// A value of a pickle. Lists and dicts are shared, as Python's are.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// What no array is made of: nothing, true, false, a fraction.
    Other,
    Int(i64),
    Text(Rc<str>),
    Tuple(Rc<Vec<Self>>),
    List(Rc<RefCell<Vec<Self>>>),
    Dict(Rc<RefCell<Pairs>>),
    /// A class or function, `module.name`.
    Global(Rc<str>),
    /// Where values are stored: type, key, number of values.
    Storage(Rc<Storage>),
    Tensor(Rc<Tensor>),
    /// Something else, by the name of what makes it.
    Opaque(Rc<str>),
}

/// Keys and values of a dict.
type Pairs = Vec<(Value, Value)>;

/// A run of values in the file.
#[derive(Debug)]
pub(super) struct Storage {
    /// As torch names it, for example `FloatStorage`.
    pub(super) kind: Rc<str>,
    pub(super) key: Rc<str>,
}

/// A view of a storage.
#[derive(Debug)]
pub(super) struct Tensor {
    pub(super) storage: Rc<Storage>,
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) stride: Vec<usize>,
}

/// What a pickle holds.
#[derive(Debug)]
pub(super) struct Pickle {
    pub(super) value: Value,
    /// Its bytes.
    pub(super) length: usize,
    /// Freed after the value.
    _containers: Containers,
}

/// All tuples, lists and dicts of a pickle. They may lie in each other to any depth, or in themselves: freed one in the other they would use up the stack, or stay.
#[derive(Debug, Default)]
struct Containers {
    tuples: Vec<Rc<Vec<Value>>>,
    lists: Vec<Rc<RefCell<Vec<Value>>>>,
    dicts: Vec<Rc<RefCell<Pairs>>>,
}

impl Containers {
    fn tuple(&mut self, items: Vec<Value>) -> Value {
        let tuple = Rc::new(items);
        self.tuples.push(Rc::clone(&tuple));
        Value::Tuple(tuple)
    }

    fn list(&mut self, items: Vec<Value>) -> Value {
        let list = Rc::new(RefCell::new(items));
        self.lists.push(Rc::clone(&list));
        Value::List(list)
    }

    fn dict(&mut self, items: Pairs) -> Value {
        let dict = Rc::new(RefCell::new(items));
        self.dicts.push(Rc::clone(&dict));
        Value::Dict(dict)
    }
}

impl Drop for Containers {
    fn drop(&mut self) {
        // What is taken out of one lies here, too, and is not freed with it.
        for list in &self.lists {
            list.take();
        }
        for dict in &self.dicts {
            dict.take();
        }
        // A tuple holds only what was there before it.
        while self.tuples.pop().is_some() {}
    }
}

/// A pickle that is read from bytes.
struct Machine<'a> {
    file: &'a str,
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: Vec<Option<Value>>,
    containers: Containers,
}

/// The pickle at the beginning of the bytes.
///
/// # Errors
/// [`Error::Format`] for what is no pickle or contradicts itself, [`Error::Unsupported`] for operations that no state dict has.
pub(super) fn read(file: &str, bytes: &[u8]) -> Result<Pickle, Error> {
    let (stack, marks, memo) = (Vec::new(), Vec::new(), Vec::new());
    let mut machine = Machine { file, bytes, at: 0, stack, marks, memo, containers: Containers::default() };
    loop {
        let code = machine.byte()?;
        if code == b'.' {
            let value = machine.pop()?;
            return Ok(Pickle { value, length: machine.at, _containers: machine.containers });
        }
        machine.step(code)?;
    }
}

impl Machine<'_> {
    fn damaged(&self) -> Error {
        Error::format(self.file, format!("the pickle is damaged at byte {}", self.at))
    }

    fn take(&mut self, n: usize) -> Result<&[u8], Error> {
        let end = self.at.checked_add(n).filter(|end| *end <= self.bytes.len()).ok_or_else(|| self.damaged())?;
        let out = &self.bytes[self.at..end];
        self.at = end;
        Ok(out)
    }

    fn byte(&mut self) -> Result<u8, Error> {
        Ok(self.take(1)?[0])
    }

    fn number(&mut self, n: usize) -> Result<usize, Error> {
        let bytes = self.take(n)?;
        let value = bytes.iter().rev().fold(0u64, |v, b| v << 8 | u64::from(*b));
        usize::try_from(value).ok().ok_or_else(|| self.damaged())
    }

    fn line(&mut self) -> Result<String, Error> {
        let rest = &self.bytes[self.at..];
        let n = rest.iter().position(|b| *b == b'\n').ok_or_else(|| self.damaged())?;
        let text = String::from_utf8_lossy(&rest[..n]).into_owned();
        self.at += n + 1;
        Ok(text)
    }

    fn text(&mut self, n: usize) -> Result<Value, Error> {
        let text = String::from_utf8_lossy(self.take(n)?).into_owned();
        Ok(Value::Text(text.into()))
    }

    fn pop(&mut self) -> Result<Value, Error> {
        self.stack.pop().ok_or_else(|| self.damaged())
    }

    fn top(&self) -> Result<&Value, Error> {
        self.stack.last().ok_or_else(|| self.damaged())
    }

    fn since_mark(&mut self) -> Result<Vec<Value>, Error> {
        let mark = self.marks.pop().filter(|mark| *mark <= self.stack.len()).ok_or_else(|| self.damaged())?;
        Ok(self.stack.split_off(mark))
    }

    fn last(&mut self, n: usize) -> Result<Vec<Value>, Error> {
        let at = self.stack.len().checked_sub(n).ok_or_else(|| self.damaged())?;
        Ok(self.stack.split_off(at))
    }

    fn remember(&mut self, i: usize) -> Result<(), Error> {
        // Numbers grow one by one; a large one is a lie.
        if i > self.bytes.len() {
            return Err(self.damaged());
        }
        if self.memo.len() <= i {
            self.memo.resize(i + 1, None);
        }
        self.memo[i] = Some(self.top()?.clone());
        Ok(())
    }

    fn recall(&mut self, i: usize) -> Result<(), Error> {
        let value = self.memo.get(i).and_then(Clone::clone).ok_or_else(|| self.damaged())?;
        self.stack.push(value);
        Ok(())
    }

    fn step(&mut self, code: u8) -> Result<(), Error> {
        let value = match code {
            0x80 => return self.take(1).map(drop),
            0x95 => return self.take(8).map(drop),
            b'(' => {
                self.marks.push(self.stack.len());
                return Ok(());
            }
            b'0' => return self.pop().map(drop),
            b'1' => return self.since_mark().map(drop),
            b'2' => self.top()?.clone(),
            b'q' => return self.number(1).and_then(|i| self.remember(i)),
            b'r' => return self.number(4).and_then(|i| self.remember(i)),
            0x94 => return self.remember(self.memo.len()),
            b'h' => return self.number(1).and_then(|i| self.recall(i)),
            b'j' => return self.number(4).and_then(|i| self.recall(i)),
            b'N' | 0x88 | 0x89 => Value::Other,
            b'K' => Value::Int(i64::from(self.byte()?)),
            b'M' => Value::Int(i64::try_from(self.number(2)?).unwrap_or(0)),
            b'J' => {
                let bytes = self.take(4)?;
                Value::Int(i64::from(i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])))
            }
            0x8a => {
                let n = self.number(1)?;
                self.long(n)?
            }
            0x8b => {
                let n = self.number(4)?;
                self.long(n)?
            }
            b'I' | b'L' => {
                let line = self.line()?;
                match line.as_str() {
                    "00" | "01" => Value::Other,
                    text => Value::Int(text.trim_end_matches('L').parse().unwrap_or(0)),
                }
            }
            b'F' => self.line().map(|_| Value::Other)?,
            b'G' => self.take(8).map(|_| Value::Other)?,
            b'V' | b'S' => Value::Text(self.line()?.into()),
            0x8c | b'U' | b'C' => {
                let n = self.number(1)?;
                self.text(n)?
            }
            b'X' | b'T' | b'B' => {
                let n = self.number(4)?;
                self.text(n)?
            }
            0x8d | 0x8e => {
                let n = self.number(8)?;
                self.text(n)?
            }
            b')' => self.containers.tuple(Vec::new()),
            0x85..=0x87 => {
                let items = self.last(usize::from(code - 0x84))?;
                self.containers.tuple(items)
            }
            b't' => {
                let items = self.since_mark()?;
                self.containers.tuple(items)
            }
            b']' | 0x8f => self.containers.list(Vec::new()),
            b'l' => {
                let items = self.since_mark()?;
                self.containers.list(items)
            }
            b'}' => self.containers.dict(Vec::new()),
            b'd' => {
                let items = pairs(self.since_mark()?);
                self.containers.dict(items)
            }
            b'a' => {
                let item = self.pop()?;
                return self.append(vec![item]);
            }
            b'e' | 0x90 => {
                let items = self.since_mark()?;
                return self.append(items);
            }
            b's' => {
                let items = self.last(2)?;
                return self.insert(items);
            }
            b'u' => {
                let items = self.since_mark()?;
                return self.insert(items);
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                Value::Global(format!("{module}.{name}").into())
            }
            0x93 => match &self.last(2)?[..] {
                [Value::Text(module), Value::Text(name)] => Value::Global(format!("{module}.{name}").into()),
                _ => return Err(self.damaged()),
            },
            b'Q' => {
                let id = self.pop()?;
                self.stored(&id)?
            }
            b'R' | 0x81 => {
                let called = self.last(2)?;
                self.called(&called[0], &called[1])?
            }
            b'b' => return self.pop().map(drop),
            _ => {
                let message = format!(
                    "the pickle has an operation (0x{code:02x} at byte {}) that no state dict needs; save model.state_dict() alone",
                    self.at - 1
                );
                return Err(Error::Unsupported { file: self.file.into(), message });
            }
        };
        self.stack.push(value);
        Ok(())
    }

    fn long(&mut self, n: usize) -> Result<Value, Error> {
        let bytes = self.take(n)?;
        // More than eight bytes only has the number by which torch knows its own files.
        let sign = if bytes.last().is_some_and(|b| *b >= 0x80) { -1 } else { 0 };
        Ok(Value::Int(bytes.iter().take(8).rev().fold(sign, |v: i64, b| v << 8 | i64::from(*b))))
    }

    fn append(&mut self, items: Vec<Value>) -> Result<(), Error> {
        match self.top()? {
            Value::List(list) => list.borrow_mut().extend(items),
            Value::Opaque(_) => {}
            _ => return Err(self.damaged()),
        }
        Ok(())
    }

    fn insert(&mut self, items: Vec<Value>) -> Result<(), Error> {
        match self.top()? {
            Value::Dict(dict) => dict.borrow_mut().extend(pairs(items)),
            Value::Opaque(_) => {}
            _ => return Err(self.damaged()),
        }
        Ok(())
    }

    /// A persistent id: `('storage', type, key, device, number of values, …)`.
    fn stored(&self, id: &Value) -> Result<Value, Error> {
        match id {
            Value::Tuple(parts) => match &parts[..] {
                [Value::Text(what), Value::Global(kind), Value::Text(key), ..] if &**what == "storage" => {
                    let kind = kind.rsplit('.').next().unwrap_or_default().into();
                    Ok(Value::Storage(Rc::new(Storage { kind, key: Rc::clone(key) })))
                }
                _ => Err(self.damaged()),
            },
            _ => Err(self.damaged()),
        }
    }

    /// What a call makes, for the few that have a meaning.
    fn called(&mut self, what: &Value, arguments: &Value) -> Result<Value, Error> {
        let (Value::Global(name), Value::Tuple(arguments)) = (what, arguments) else {
            return Ok(Value::Opaque("a call".into()));
        };
        match &**name {
            "collections.OrderedDict" => Ok(self.containers.dict(Vec::new())),
            "torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_tensor" => match &arguments[..] {
                [Value::Storage(storage), Value::Int(offset), Value::Tuple(shape), Value::Tuple(stride), ..] => {
                    let sizes = |list: &[Value]| {
                        let size = |v: &Value| if let Value::Int(n) = v { usize::try_from(*n).ok() } else { None };
                        list.iter().map(size).collect::<Option<Vec<usize>>>().ok_or_else(|| self.damaged())
                    };
                    let offset = usize::try_from(*offset).ok().ok_or_else(|| self.damaged())?;
                    Ok(Value::Tensor(Rc::new(Tensor { storage: Rc::clone(storage), offset, shape: sizes(shape)?, stride: sizes(stride)? })))
                }
                _ => Err(self.damaged()),
            },
            "torch._utils._rebuild_parameter" => arguments.first().cloned().ok_or_else(|| self.damaged()),
            _ => Ok(Value::Opaque(Rc::clone(name))),
        }
    }
}

fn pairs(items: Vec<Value>) -> Pairs {
    let mut items = items.into_iter();
    std::iter::from_fn(|| Some((items.next()?, items.next()?))).collect()
}
