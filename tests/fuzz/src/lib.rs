//! What the fuzz targets share: where an input is cut, the plugins, and an allocator that does not give
//! everything.

pub mod workers;

use std::alloc::{GlobalAlloc, Layout, System};

/// Cuts `body` at places that follow from `seed`; a piece may be empty.
pub fn pieces(body: &[u8], seed: u8) -> Vec<&[u8]> {
    let mut state = u32::from(seed).wrapping_mul(0x9e37_79b9) | 1;
    let mut rest = body;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        // Short ones, and now and then one that holds whole events.
        let length = if state & 0x700 == 0 { state >> 24 } else { state >> 29 };
        let (piece, after) = rest.split_at((length as usize).min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// No input of a few kilobytes is worth more than this at once. What is only reserved and never
/// written shows in no limit on the memory of a process.
const MOST: usize = 64 << 20;

struct Bounded;

#[global_allocator]
static BOUNDED: Bounded = Bounded;

// SAFETY: the system's allocator, which may refuse, as this one does.
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() > MOST {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on, and every pointer is the system's.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if size > MOST {
            return std::ptr::null_mut();
        }
        // SAFETY: as for `dealloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
