#![forbid(unsafe_code)]
//! Columns as Go's `text/tabwriter` makes them, of tabs that are 8 wide.

use std::iter;

const TAB: usize = 8;

/// Appends lines of cells to a text. Cells of neighbouring lines that something
/// follows are one column, as wide as the widest of them, and a blank at least.
pub(super) fn append_aligned(text: &mut String, lines: &[Vec<String>]) {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let tabs: Vec<Vec<usize>> = (0..columns).map(|column| tabs(lines, column)).collect();
    for (number, line) in lines.iter().enumerate() {
        for (column, cell) in line.iter().enumerate() {
            text.push_str(cell);
            text.extend(iter::repeat_n('\t', tabs[column][number]));
        }
        text.push('\n');
    }
}

/// How many tabs there are behind each line's cell: none behind the last of a line.
fn tabs(lines: &[Vec<String>], column: usize) -> Vec<usize> {
    let width = |line: &Vec<String>| {
        let is_followed = line.len() > column + 1;
        is_followed.then(|| line[column].chars().count())
    };
    let mut tabs = vec![0; lines.len()];
    let mut next = 0;
    while next < lines.len() {
        let block = lines[next..].iter().map_while(width);
        let widths: Vec<usize> = block.collect();
        let widest = widths
            .iter()
            .max()
            .map_or(0, |widest| (widest + 1).div_ceil(TAB));
        for (tabs, width) in tabs[next..].iter_mut().zip(&widths) {
            *tabs = (widest * TAB - width).div_ceil(TAB);
        }
        next += widths.len().max(1);
    }
    tabs
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of a live Go program, and how it wrote them.
    #[test]
    fn columns_are_gos() {
        let written = "\
#	0x662744	runtime/pprof.writeGoroutine+0x24	GOROOT/src/runtime/pprof/pprof.go:779
#	0x67a05b	net/http/pprof.Index+0xdb		GOROOT/src/net/http/pprof/pprof.go:391
#	0x63fa08	net/http.HandlerFunc.ServeHTTP+0x28	GOROOT/src/net/http/server.go:2358
#	0x63e07b	net/http.(*conn).serve+0x6db		GOROOT/src/net/http/server.go:2157
";
        let cells = |line: &str| -> Vec<String> {
            let cells = line.split('\t').filter(|cell| !cell.is_empty());
            cells.map(str::to_owned).collect()
        };
        let lines: Vec<Vec<String>> = written.lines().map(cells).collect();
        let mut text = String::new();
        append_aligned(&mut text, &lines);
        assert_eq!(text, written);
    }

    #[test]
    fn a_line_without_a_cell_ends_the_column() {
        let line = |cells: &[&str]| cells.iter().map(|cell| cell.to_string()).collect();
        let lines: Vec<Vec<String>> = vec![
            line(&["#", "0x1", "a", "x"]),
            line(&["#", "0x2"]),
            line(&["#", "0x3", "a name of more than two tabs", "y"]),
            line(&["#", "0x4", "12345678", "z"]),
        ];
        let mut text = String::new();
        append_aligned(&mut text, &lines);
        assert_eq!(
            text,
            "#\t0x1\ta\tx\n#\t0x2\n#\t0x3\ta name of more than two tabs\ty\n#\t0x4\t12345678\t\t\tz\n"
        );
    }
}
