//! HDF5 that is written as it comes: chunk after chunk, then what finds them.
//!
//! The oldest form of the format (superblock 0, symbol tables), which every library reads. Arrays are compressed in chunks of whole rows; the groups,
//! whose places depend on them, come last.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom, Write};

use flate2::{Compression, write::ZlibEncoder};

use crate::{Error, parallel};

/// Bytes of a chunk, about.
const CHUNK_BYTES: u64 = 1 << 20;
/// h5py's.
const LEVEL: u32 = 4;
/// HDF5's own limit.
const MAX_AXES: usize = 32;
/// No address.
const NONE: u64 = u64::MAX;
/// Bytes of the superblock.
const SUPERBLOCK: usize = 96;
/// Children of a node of the tree of chunks, and of a tree of names: fixed for superblock 0, and h5py's.
const CHUNKS: usize = 64;
const NAMES: usize = 32;

/// Names by their paths, and where their headers are.
#[derive(Debug)]
enum Node {
    Array(u64),
    Group(BTreeMap<String, Self>),
}

/// Writes arrays and, at the end, the groups that their names tell.
#[derive(Debug)]
pub struct Hdf5Writer<W> {
    out: W,
    /// Where the next byte goes.
    at: u64,
    chunk_bytes: u64,
    root: BTreeMap<String, Node>,
}

/// Parts of a name: groups, then the array. Slashes separate them, as HDF5 reads paths.
fn parts(name: &str) -> Vec<&str> {
    name.split('/').filter(|part| !part.is_empty()).collect()
}

/// Refuses names that HDF5 cannot tell apart, or that it takes for something else: `a` beside `a/b`, `a//b` beside `a/b`, `.`.
///
/// # Errors
/// [`Error::Parameter`] of `field` with the names.
pub fn check_hdf5_names(field: &str, names: &[String]) -> Result<(), Error> {
    let refuse = |message: String| Err(Error::parameter(field, format!("{message}; leave one out, or write .npz")));
    let mut seen: BTreeMap<Vec<&str>, &str> = BTreeMap::new();
    for name in names {
        let parts = parts(name);
        if parts.is_empty() || parts.contains(&".") || name.contains('\0') {
            return refuse(format!("\"{name}\" is no name for an array in HDF5"));
        }
        if let Some(other) = seen.insert(parts, name) {
            return refuse(format!("\"{other}\" and \"{name}\" are the same name in HDF5"));
        }
    }
    for (parts, name) in &seen {
        let group = (1..parts.len()).find_map(|n| seen.get(&parts[..n]));
        if let Some(group) = group {
            return refuse(format!("\"{group}\" cannot be an array and the group of \"{name}\" in HDF5"));
        }
    }
    Ok(())
}

impl<W: Write + Seek> Hdf5Writer<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn new(mut out: W) -> io::Result<Self> {
        out.write_all(&[0; SUPERBLOCK])?;
        Ok(Self { out, at: SUPERBLOCK as u64, chunk_bytes: CHUNK_BYTES, root: BTreeMap::new() })
    }

    /// Writes an array of floats of `width` bytes (4 or 8), little-endian and in C order in `values`, under a name that [`check_hdf5_names`] accepts.
    ///
    /// # Errors
    /// Those of `out` and `values`; rows of more than 4 GB.
    pub fn array(&mut self, name: &str, shape: &[u64], width: u32, values: &mut dyn Read) -> io::Result<()> {
        let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("{name}: {what}"));
        if shape.len() > MAX_AXES {
            return Err(wrong("it has too many axes"));
        }
        let row = shape.iter().skip(1).try_fold(u64::from(width), |bytes, n| bytes.checked_mul(*n));
        let row = row.filter(|bytes| *bytes < u64::from(u32::MAX)).ok_or_else(|| wrong("a row has more than 4 GB"))?;
        let layout = if let Some((&n, rest)) = shape.split_first().filter(|(n, _)| **n > 0 && row > 0) {
            let rows = (self.chunk_bytes / row).clamp(1, n);
            let tree = self.chunks(n, rest, rows, row, width, values)?;
            let mut sizes = vec![narrow(rows)?];
            sizes.extend(rest.iter().map(|n| narrow(*n)).collect::<io::Result<Vec<_>>>()?);
            sizes.push(width);
            let axes = u8::try_from(sizes.len()).map_err(|_many| wrong("it has too many axes"))?;
            let mut layout = vec![3, 2, axes];
            layout.extend(tree.to_le_bytes());
            layout.extend(sizes.iter().flat_map(|n| n.to_le_bytes()));
            layout
        } else if shape.is_empty() {
            // A number alone is contiguous.
            let mut value = vec![0; width as usize];
            values.read_exact(&mut value)?;
            let place = self.put(&value)?;
            [&[3, 1][..], &place.to_le_bytes(), &u64::from(width).to_le_bytes()].concat()
        } else {
            // Nothing is stored: contiguous, and nowhere.
            [&[3, 1][..], &NONE.to_le_bytes(), &0u64.to_le_bytes()].concat()
        };
        let mut space = vec![1, u8::try_from(shape.len()).map_err(|_many| wrong("it has too many axes"))?, 0, 0, 0, 0, 0, 0];
        space.extend(shape.iter().flat_map(|n| n.to_le_bytes()));
        // Place of the sign, then width, place and size of exponent and mantissa, bias.
        let float = if width == 4 {
            [0x11, 0x20, 31, 0, 4, 0, 0, 0, 0, 0, 32, 0, 23, 8, 0, 23, 127, 0, 0, 0]
        } else {
            [0x11, 0x20, 63, 0, 8, 0, 0, 0, 0, 0, 64, 0, 52, 11, 0, 52, 0xff, 3, 0, 0]
        };
        let mut messages = vec![(1, space), (3, float.to_vec()), (5, vec![2, 3, 2, 1, 0, 0, 0, 0])];
        if layout[1] == 2 {
            // Shuffle with the width of a value, then deflate with its level; the names are left out.
            let mut filters = vec![1, 2, 0, 0, 0, 0, 0, 0];
            for (id, number) in [(2u16, width), (1, LEVEL)] {
                filters.extend([id, 0, 1, 1].iter().flat_map(|n| n.to_le_bytes()));
                filters.extend([number, 0].iter().flat_map(|n| n.to_le_bytes()));
            }
            messages.push((11, filters));
        }
        messages.push((8, layout));
        let header = self.header(&messages)?;
        let parts = parts(name);
        let (last, groups) = parts.split_last().ok_or_else(|| wrong("it has no name"))?;
        let mut group = &mut self.root;
        for part in groups {
            group = match group.entry((*part).to_owned()).or_insert_with(|| Node::Group(BTreeMap::new())) {
                Node::Group(inner) => inner,
                Node::Array(_) => return Err(wrong("an array is no group")),
            };
        }
        group.insert((*last).to_owned(), Node::Array(header));
        Ok(())
    }

    /// Writes the groups, and perhaps a text as an attribute of the root.
    ///
    /// # Errors
    /// Those of `out`; more than 65,000 names in a group.
    pub fn finish(mut self, attribute: Option<(&str, &str)>) -> io::Result<W> {
        fn largest(group: &BTreeMap<String, Node>) -> usize {
            let inner = group.values().map(|node| if let Node::Group(inner) = node { largest(inner) } else { 0 });
            inner.max().unwrap_or(0).max(group.len())
        }
        let root = std::mem::take(&mut self.root);
        // All names of a group are in one node.
        let half = u16::try_from(largest(&root).div_ceil(2).max(4)).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
        let message = attribute.map(|(name, text)| self.attribute(name, text)).transpose()?;
        let (header, tree, heap) = self.group(&root, half, message)?;
        let end = self.at;
        let mut head = b"\x89HDF\r\n\x1a\n".to_vec();
        head.extend([0, 0, 0, 0, 0, 8, 8, 0]);
        head.extend(half.to_le_bytes());
        head.extend(16u16.to_le_bytes());
        head.extend([0; 4]);
        head.extend([0, NONE, end, NONE].iter().flat_map(|n| n.to_le_bytes()));
        head.extend([0, header].iter().flat_map(|n| n.to_le_bytes()));
        // Where the tree and the names of the root are is known here too.
        head.extend([1, 0, 0, 0, 0, 0, 0, 0]);
        head.extend([tree, heap].iter().flat_map(|n| n.to_le_bytes()));
        self.out.seek(SeekFrom::Start(0))?;
        self.out.write_all(&head)?;
        self.out.seek(SeekFrom::Start(end))?;
        self.out.flush()?;
        Ok(self.out)
    }

    /// Writes bytes at a multiple of 8 and tells where.
    fn put(&mut self, bytes: &[u8]) -> io::Result<u64> {
        let place = self.at;
        self.out.write_all(bytes)?;
        let end = bytes.len().next_multiple_of(8);
        self.out.write_all(&[0; 8][..end - bytes.len()])?;
        self.at += end as u64;
        Ok(place)
    }

    /// Compresses the rows and writes them; returns the place of the tree that finds them.
    fn chunks(&mut self, n: u64, rest: &[u64], rows: u64, row: u64, width: u32, values: &mut dyn Read) -> io::Result<u64> {
        let length = usize::try_from(rows * row).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
        let key = |first: u64, bytes: u32, at_end: bool| {
            let mut key = bytes.to_le_bytes().to_vec();
            key.extend([0; 4]);
            key.extend(first.to_le_bytes());
            // All chunks begin at 0 of the other axes; what lies behind the last begins at their ends.
            key.extend(rest.iter().flat_map(|n| if at_end { n.to_le_bytes() } else { 0u64.to_le_bytes() }));
            key.extend([0; 8]);
            key
        };
        let mut level: Vec<(Vec<u8>, u64)> = Vec::new();
        let mut first = 0;
        while first < n {
            let mut batch = Vec::new();
            while batch.len() < 2 * parallel::threads() && first + rows * (batch.len() as u64) < n {
                let begin = first + rows * batch.len() as u64;
                let mut bytes = vec![0; length];
                let filled = usize::try_from((n - begin).min(rows) * row).unwrap_or(length);
                values.read_exact(&mut bytes[..filled])?;
                batch.push(bytes);
            }
            for packed in parallel::map(batch.len(), |i| packed(&batch[i], width as usize)) {
                let packed = packed?;
                let place = self.put(&packed)?;
                level.push((key(first, narrow(packed.len() as u64)?, false), place));
                first += rows;
            }
        }
        let end = key(n.div_ceil(rows) * rows, 0, true);
        let size = 24 + CHUNKS * 8 + (CHUNKS + 1) * end.len();
        let mut depth = 0u8;
        loop {
            let nodes = level.len().div_ceil(CHUNKS) as u64;
            let start = self.at;
            let mut above = Vec::new();
            for (i, children) in level.chunks(CHUNKS).enumerate() {
                let beside = |j: Option<u64>| j.filter(|j| *j < nodes).map_or(NONE, |j| start + j * size as u64);
                let i = i as u64;
                let mut node = b"TREE".to_vec();
                node.extend([1, depth]);
                node.extend(u16::try_from(children.len()).unwrap_or(u16::MAX).to_le_bytes());
                node.extend([beside(i.checked_sub(1)), beside(Some(i + 1))].iter().flat_map(|n| n.to_le_bytes()));
                for (key, place) in children {
                    node.extend(key);
                    node.extend(place.to_le_bytes());
                }
                let next = level.get((usize::try_from(i).unwrap_or(0) + 1) * CHUNKS);
                node.extend(next.map_or(&end, |(key, _)| key));
                node.resize(size, 0);
                let place = self.put(&node)?;
                above.push((children[0].0.clone(), place));
            }
            if let [(_, place)] = above[..] {
                return Ok(place);
            }
            level = above;
            depth += 1;
        }
    }

    /// An object: its messages.
    fn header(&mut self, messages: &[(u16, Vec<u8>)]) -> io::Result<u64> {
        let mut body = Vec::new();
        for (kind, message) in messages {
            let length = message.len().next_multiple_of(8);
            body.extend(kind.to_le_bytes());
            body.extend(u16::try_from(length).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?.to_le_bytes());
            body.extend([0; 4]);
            body.extend(message);
            body.resize(body.len() + length - message.len(), 0);
        }
        let mut header = vec![1, 0];
        header.extend(u16::try_from(messages.len()).unwrap_or(u16::MAX).to_le_bytes());
        header.extend([1, narrow(body.len() as u64)?, 0].iter().flat_map(|n| n.to_le_bytes()));
        header.extend(body);
        self.put(&header)
    }

    /// A group and all below it: the places of its header, of the tree of its names and of the names.
    fn group(&mut self, group: &BTreeMap<String, Node>, half: u16, message: Option<Vec<u8>>) -> io::Result<(u64, u64, u64)> {
        let mut names = vec![0u8; 8];
        let mut entries = Vec::new();
        let mut last = 0u64;
        for (name, node) in group {
            let place = match node {
                Node::Array(place) => *place,
                Node::Group(inner) => self.group(inner, half, None)?.0,
            };
            last = names.len() as u64;
            names.extend(name.as_bytes());
            // At least one zero ends a name.
            names.resize((names.len() + 1).next_multiple_of(8), 0);
            entries.extend([last, place, 0, 0, 0].iter().flat_map(|n| n.to_le_bytes()));
        }
        let mut node = b"SNOD\x01\x00".to_vec();
        node.extend(u16::try_from(group.len()).unwrap_or(u16::MAX).to_le_bytes());
        node.extend(entries);
        node.resize(8 + 80 * usize::from(half), 0);
        let node = self.put(&node)?;
        let mut tree = b"TREE\x00\x00\x01\x00".to_vec();
        tree.extend([NONE, NONE, 0, node, last].iter().flat_map(|n| n.to_le_bytes()));
        tree.resize(24 + NAMES * 8 + (NAMES + 1) * 8, 0);
        let tree = self.put(&tree)?;
        let length = names.len() as u64;
        let names = self.put(&names)?;
        let mut heap = b"HEAP\x00\x00\x00\x00".to_vec();
        // 1: nothing of it is free.
        heap.extend([length, 1, names].iter().flat_map(|n| n.to_le_bytes()));
        let heap = self.put(&heap)?;
        let mut messages = vec![(17, [tree, heap].iter().flat_map(|n| n.to_le_bytes()).collect())];
        messages.extend(message.map(|message| (12, message)));
        Ok((self.header(&messages)?, tree, heap))
    }

    /// The message of an attribute with a text, which lies in a heap because messages are short.
    fn attribute(&mut self, name: &str, text: &str) -> io::Result<Vec<u8>> {
        let padded = text.len().next_multiple_of(8);
        let size = (16 + 16 + padded + 16).max(4096);
        let mut heap = b"GCOL\x01\x00\x00\x00".to_vec();
        heap.extend((size as u64).to_le_bytes());
        heap.extend([1, 0, 1, 0, 0, 0, 0, 0]);
        heap.extend((text.len() as u64).to_le_bytes());
        heap.extend(text.as_bytes());
        heap.resize(32 + padded, 0);
        // What is free.
        heap.extend([0; 8]);
        heap.extend(((size - 32 - padded) as u64).to_le_bytes());
        heap.resize(size, 0);
        let heap = self.put(&heap)?;
        // A text of any length in UTF-8, and a space of one value.
        let text_type = [0x19, 1, 1, 0, 16, 0, 0, 0, 0x10, 0, 0, 0, 1, 0, 0, 0, 0, 0, 8, 0];
        let mut message = vec![3, 0];
        message.extend([narrow(name.len() as u64 + 1)?, 20, 8].iter().flat_map(|n| n.to_le_bytes().into_iter().take(2)));
        message.push(1);
        message.extend(name.as_bytes());
        message.push(0);
        message.extend(text_type);
        message.extend([1, 0, 0, 0, 0, 0, 0, 0]);
        message.extend(narrow(text.len() as u64)?.to_le_bytes());
        message.extend(heap.to_le_bytes());
        message.extend(1u32.to_le_bytes());
        Ok(message)
    }
}

fn narrow(n: u64) -> io::Result<u32> {
    u32::try_from(n).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))
}

/// First bytes of all values, then second bytes and so on, deflated.
fn packed(bytes: &[u8], width: usize) -> io::Result<Vec<u8>> {
    let n = bytes.len() / width;
    let mut shuffled = Vec::with_capacity(bytes.len());
    for k in 0..width {
        shuffled.extend((0..n).map(|i| bytes[i * width + k]));
    }
    let mut out = ZlibEncoder::new(Vec::with_capacity(bytes.len() / 2), Compression::new(LEVEL));
    out.write_all(&shuffled)?;
    out.finish()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::dataset::Values;
    use crate::io::{Limits, list, read};

    #[expect(clippy::cast_precision_loss, reason = "small")]
    fn value(i: usize) -> f32 {
        ((i * 7919) % 101) as f32 / 8.0 - 3.0
    }

    /// What `tests/reference/formats.py` expects in `tests/fixtures/written.h5`.
    fn sample() -> Vec<u8> {
        let mut out = Hdf5Writer::new(Cursor::new(Vec::new())).expect("begins");
        // Chunks so small that the tree that finds them has two levels.
        out.chunk_bytes = 64;
        let mut put = |name: &str, shape: &[u64]| {
            let n = usize::try_from(shape.iter().product::<u64>()).expect("small");
            let bytes: Vec<u8> = (0..n).flat_map(|i| value(i).to_le_bytes()).collect();
            out.array(name, shape, 4, &mut &*bytes).expect("writes");
        };
        put("/layer1/layer1.0/relu/Relu_output_0", &[5, 3, 4]);
        put("output", &[301, 8]);
        put("line", &[70]);
        put("empty", &[3, 0]);
        for i in 0..11 {
            put(&format!("many/x{i}"), &[1, 2, 1, 1]);
        }
        let doubles: Vec<u8> = [1.5, -2.0, 1e300, 0.1f64].iter().flat_map(|v| v.to_le_bytes()).collect();
        out.array("/layer1/double", &[2, 2], 8, &mut &*doubles).expect("writes");
        out.finish(Some(("eigenscope.json", "{\"what\": \"Größe\"}"))).expect("ends").into_inner()
    }

    #[test]
    fn what_is_written_is_what_h5py_read() {
        let bytes = sample();
        assert!(bytes == include_bytes!("../../../../tests/fixtures/written.h5"), "other bytes; have h5py check them again");
    }

    #[test]
    fn what_is_written_reads_back() {
        let bytes = sample();
        let listed = list("w.h5", &bytes, Limits::BROWSER).expect("lists");
        assert_eq!((listed.len(), listed.iter().all(|info| info.refused.is_none())), (16, true), "{listed:?}");
        let of = |name: &str| read("w.h5", &bytes, Some(name), Limits::BROWSER).expect(name);
        for (name, shape) in
            [("/layer1/layer1.0/relu/Relu_output_0", &[5, 3, 4][..]), ("output", &[301, 8]), ("line", &[70]), ("empty", &[3, 0])]
        {
            let dataset = of(name);
            let Values::F32(array) = &*dataset.values else { panic!("single precision") };
            assert_eq!(array.shape(), shape, "{name}");
            assert!(array.iter().enumerate().all(|(i, v)| *v == value(i)), "{name}");
        }
        assert_eq!(*of("layer1/double").values, Values::F64(ndarray::arr2(&[[1.5, -2.0], [1e300, 0.1]]).into_dyn()));
    }

    #[test]
    fn names_that_hdf5_cannot_hold_are_refused() {
        let check = |names: &[&str]| check_hdf5_names("layers", &names.iter().map(|&name| name.into()).collect::<Vec<_>>());
        assert_eq!(check(&["a/b", "/a/c", "a b", "a-b/c", "b"]), Ok(()));
        for (names, words) in [
            (&["a", "a-b", "/a/b/c"][..], "\"a\" cannot be an array and the group of \"/a/b/c\""),
            (&["a//b", "/a/b"], "the same name"),
            (&["a/./b"], "no name"),
            (&["//"], "no name"),
        ] {
            let why = check(names).expect_err("refused").to_string();
            assert!(why.contains(words), "{words:?} in: {why}");
        }
    }
}
