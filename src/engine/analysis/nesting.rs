//! How deep a script nests, found before a parser that calls itself sees it.
//!
//! One pass over the text, without recursion. What opens a bracket is a level; what makes a parser
//! or a walk over its tree call itself without one, such as `a ? b : c ? d : …`, `x => x => …` or
//! `else if … else if …`, is part of a level, as much as it costs. The parts of a bracket count
//! until what they belong to is over: a comma ends an expression, a semicolon a statement.
//!
//! ```text
//! depth = for each open bracket: 1 + (statements in each other + expressions in each other) / 16
//! ```
//!
//! The tokens are the grammar's ([ECMA-262 §12]), for a bracket in a string or a regular expression
//! is none. Where a `/` can begin a regular expression as well as be a division, and it makes a
//! difference, both readings are looked at.

use crate::handler::nesting::{MAX_NESTING, TooDeep};

/// A bracket counts as so many links.
const LEVEL: usize = 16;

/// The most that may be open at once, in links.
const MOST: usize = MAX_NESTING * LEVEL;

/// One more link of a chain that parsers go through in a loop: `a + b + …`, `a.b.c`, `f()()`.
/// Only the tree is as deep.
const LINK: usize = 1;

/// One more of what parsers call themselves for, once or twice: `a ? b : …`, `… else …`.
const TURN: usize = 2;

/// One more of what makes them go through all their rules again: `x => …`, `!x`, `a = b = …`,
/// `if (a) if (b) …`. Nobody writes many of these in each other.
const RULES: usize = 8;

/// How many readings of one text are looked at.
const READINGS: usize = 64;

/// How many times a text is looked through for ends of regular expressions that have none.
const LINES: usize = 16;

/// Why a script isn't given to a parser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// It nests too deeply.
    #[error(transparent)]
    TooDeep(#[from] TooDeep),
    /// It can be read in so many ways that they aren't all looked at.
    #[error("a `/` may begin a regular expression or divide; write parentheses around it")]
    Ambiguous {
        /// Where it begins, in bytes.
        offset: usize,
    },
}

impl Refused {
    pub(super) fn offset(self) -> usize {
        let (Self::TooDeep(TooDeep { offset }) | Self::Ambiguous { offset }) = self;
        offset
    }
}

/// Looks at how deep a script nests. What is no script passes: its parser says so.
///
/// # Errors
///
/// [`Refused`], with the place.
pub(super) fn check(text: &str) -> Result<(), Refused> {
    let mut readings = vec![Scan::new(text)];
    let mut seen = 1;
    while let Some(reading) = readings.pop() {
        for other in reading.run()? {
            if seen == READINGS {
                return Err(Refused::Ambiguous { offset: other.at });
            }
            seen += 1;
            readings.push(other);
        }
    }
    Ok(())
}

/// What may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// A statement, or a member of a class.
    Statement,
    /// What an operator is applied to. `is_body` behind `=>`, where a brace opens a function.
    Operand { is_body: bool },
    /// An operator: an expression may be over.
    Operator { is_over: bool },
    /// Behind `async`, `await`, `let` and their like, which are names or words of the language.
    Either { is_operand: bool },
    /// A key of an object.
    Key,
    /// A name, whatever it is called.
    Name,
    /// The name of a class, what it extends, or its body.
    Class,
}

const OPERAND: Expect = Expect::Operand { is_body: false };
const OPERATOR: Expect = Expect::Operator { is_over: false };

/// What a bracket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bracket {
    /// `is_head`: of `if`, `for` and their like, behind which a statement begins.
    Round {
        is_head: bool,
    },
    Square,
    Block,
    Object,
    Class {
        is_operand: bool,
    },
    Function {
        is_operand: bool,
    },
    /// The body of an arrow function.
    Arrow,
    /// A `${` in a template.
    Template,
}

/// A function or class whose body is yet to come.
#[derive(Debug, Clone, Copy)]
struct Announced {
    is_class: bool,
    is_operand: bool,
}

/// One bracket that is open, or the text itself.
#[derive(Debug, Clone)]
struct Level {
    bracket: Bracket,
    /// What is open around it, with itself, in links.
    around: usize,
    /// Statements in each other.
    statements: usize,
    /// Expressions in each other.
    expressions: usize,
    /// Operators before an operand, over with the next one behind it.
    prefixes: usize,
    /// `?` whose `:` is yet to come.
    choices: usize,
    /// A statement is over, unless `else` or its like follows.
    is_over: bool,
    /// The next `(` is of `if`, `for` and their like.
    is_head_next: bool,
    /// The statement has a `do`: a `while` may be its end.
    has_do: bool,
    announced: Vec<Announced>,
}

impl Level {
    fn new(bracket: Bracket, around: usize) -> Self {
        Self {
            bracket,
            around,
            statements: 0,
            expressions: 0,
            prefixes: 0,
            choices: 0,
            is_over: false,
            is_head_next: false,
            has_do: false,
            announced: Vec::new(),
        }
    }

    fn depth(&self) -> usize {
        self.around + self.statements + self.expressions + self.prefixes
    }

    fn end_expression(&mut self) {
        (self.expressions, self.prefixes, self.choices) = (0, 0, 0);
    }

    fn end_statement(&mut self) {
        self.end_expression();
        self.statements = 0;
        self.is_over = false;
        self.is_head_next = false;
        self.has_do = false;
        self.announced.clear();
    }

    fn holds_statements(&self) -> bool {
        match self.bracket {
            Bracket::Block | Bracket::Function { .. } | Bracket::Arrow => true,
            Bracket::Round { .. }
            | Bracket::Square
            | Bracket::Object
            | Bracket::Class { .. }
            | Bracket::Template => false,
        }
    }
}

/// One reading of a text, as far as it has come.
#[derive(Clone)]
struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
    levels: Vec<Level>,
    expect: Expect,
    /// The token before was a `}` or a word that is a name at times: a `/` may be either.
    is_unsure: bool,
    /// The token before was `else`.
    is_behind_else: bool,
    /// Nothing but blanks and comments since the line began: `-->` is a comment.
    is_line_start: bool,
    /// How many bytes were looked through for the end of a regular expression that has none.
    looked: usize,
}

impl<'a> Scan<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            bytes: text.as_bytes(),
            at: 0,
            levels: vec![Level::new(Bracket::Block, 0)],
            expect: Expect::Statement,
            is_unsure: false,
            is_behind_else: false,
            is_line_start: false,
            looked: 0,
        }
    }

    /// Scans to the end; gives the other readings that it came by.
    fn run(mut self) -> Result<Vec<Self>, Refused> {
        let mut others = Vec::new();
        while let Some(&byte) = self.bytes.get(self.at) {
            let offset = self.at;
            if self.skip_blank(byte) {
                continue;
            }
            let (was_unsure, was_line_start) = (self.is_unsure, self.is_line_start);
            let was_behind_else = std::mem::take(&mut self.is_behind_else);
            (self.is_unsure, self.is_line_start) = (false, false);
            match byte {
                b'/' => {
                    let is_regex = self.begins_regex();
                    let regex = if is_regex || was_unsure {
                        self.behind_regex()?
                    } else {
                        None
                    };
                    if was_unsure
                        && regex.is_some_and(|end| is_telling(&self.bytes[offset + 1..end]))
                    {
                        let mut other = self.clone();
                        other.slash(if is_regex { None } else { regex });
                        others.push(other);
                    }
                    self.slash(regex.filter(|_| is_regex));
                }
                b'-' if was_line_start && self.rest().starts_with(b"-->") => self.skip_line(),
                b'<' if self.rest().starts_with(b"<!--") => self.skip_line(),
                _ if is_word(byte) || byte >= 0x80 => self.word(was_behind_else),
                b'0'..=b'9' => self.number(),
                b'.' if self.is_fraction() => self.number(),
                b'"' | b'\'' => {
                    self.begin_operand();
                    self.skip_string(byte);
                    self.expect = OPERATOR;
                }
                b'`' => {
                    self.begin_postfix();
                    self.at += 1;
                    self.template();
                }
                _ => self.punctuator(byte),
            }
            let top = self.top();
            if top.depth() > MOST {
                return Err(TooDeep { offset }.into());
            }
        }
        Ok(others)
    }

    fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    fn next_is(&self, ahead: usize, byte: u8) -> bool {
        self.bytes.get(self.at + ahead) == Some(&byte)
    }

    fn top(&mut self) -> &mut Level {
        self.levels
            .last_mut()
            .expect("the text itself is never closed")
    }

    fn push(&mut self, bracket: Bracket) {
        let around = self.top().depth() + LEVEL;
        self.levels.push(Level::new(bracket, around));
    }

    /// Goes over blanks and comments.
    fn skip_blank(&mut self, byte: u8) -> bool {
        match byte {
            b'\n' | b'\r' => {
                self.is_line_start = true;
                self.at += 1;
            }
            b' ' | b'\t' | 0x0b | 0x0c => self.at += 1,
            b'/' if self.next_is(1, b'/') => self.skip_line(),
            b'/' if self.next_is(1, b'*') => {
                let inner = &self.bytes[self.at + 2..];
                let end = memchr::memmem::find(inner, b"*/").unwrap_or(inner.len());
                self.is_line_start |= inner[..end].iter().any(|it| matches!(it, b'\n' | b'\r'))
                    || memchr::memmem::find(&inner[..end], b"\xe2\x80\xa8").is_some()
                    || memchr::memmem::find(&inner[..end], b"\xe2\x80\xa9").is_some();
                self.at = (self.at + 2 + end + 2).min(self.bytes.len());
            }
            0x80.. => {
                let character = first_character(self.rest());
                if !character.is_whitespace() && character != '\u{feff}' {
                    return false;
                }
                self.is_line_start |= matches!(character, '\u{2028}' | '\u{2029}');
                self.at += character.len_utf8();
            }
            _ => return false,
        }
        true
    }

    /// Goes to the end of the line.
    fn skip_line(&mut self) {
        let rest = self.rest();
        self.at += (0..rest.len())
            .find(|&at| is_line_end(&rest[at..]))
            .unwrap_or(rest.len());
    }

    fn skip_string(&mut self, quote: u8) {
        self.at += 1;
        while let Some(&byte) = self.bytes.get(self.at) {
            match byte {
                b'\\' if self.rest().starts_with(b"\\\r\n") => self.at += 3,
                b'\\' => self.at += 2,
                // Not closed: it is refused here.
                b'\n' | b'\r' => return,
                _ => {
                    self.at += 1;
                    if byte == quote {
                        return;
                    }
                }
            }
        }
    }

    /// Goes to the end of a template, or into its next `${`.
    fn template(&mut self) {
        while let Some(&byte) = self.bytes.get(self.at) {
            match byte {
                b'\\' => self.at += 2,
                b'`' => {
                    self.at += 1;
                    self.expect = OPERATOR;
                    return;
                }
                b'$' if self.next_is(1, b'{') => {
                    self.at += 2;
                    self.push(Bracket::Template);
                    self.expect = OPERAND;
                    return;
                }
                _ => self.at += 1,
            }
        }
    }

    /// Where a `/` begins a regular expression that is closed on its line: its end.
    ///
    /// # Errors
    ///
    /// Lines without an end were looked through again and again.
    fn behind_regex(&mut self) -> Result<Option<usize>, Refused> {
        let mut is_in_class = false;
        let mut at = self.at + 1;
        while at < self.bytes.len() && !is_line_end(&self.bytes[at..]) {
            match self.bytes[at] {
                b'\\' => at += 1,
                b'[' => is_in_class = true,
                b']' => is_in_class = false,
                b'/' if !is_in_class => return Ok(Some(at + 1)),
                _ => {}
            }
            at += 1;
        }
        self.looked += at - self.at;
        if self.looked > LINES * self.bytes.len() {
            return Err(Refused::Ambiguous { offset: self.at });
        }
        Ok(None)
    }

    /// Whether a `/` begins a regular expression here, by what stands before it.
    fn begins_regex(&self) -> bool {
        match self.expect {
            Expect::Statement | Expect::Operand { .. } | Expect::Key => true,
            Expect::Operator { is_over } => is_over,
            Expect::Either { .. } | Expect::Name | Expect::Class => false,
        }
    }

    /// A regular expression up to its end, or a division.
    fn slash(&mut self, regex: Option<usize>) {
        if let Some(end) = regex {
            self.begin_operand();
            self.at = end;
            self.skip_word();
            self.expect = OPERATOR;
        } else {
            let length = 1 + usize::from(self.next_is(1, b'='));
            self.binary(length, if length == 2 { RULES } else { LINK });
        }
    }

    fn skip_word(&mut self) {
        while let Some(&byte) = self.bytes.get(self.at) {
            let is_part = match byte {
                0x80.. => {
                    let character = first_character(self.rest());
                    !character.is_whitespace() && character != '\u{feff}'
                }
                _ => is_word(byte) || byte.is_ascii_digit(),
            };
            if !is_part {
                return;
            }
            if self.rest().starts_with(b"\\u{") {
                self.at += 2;
                while self.bytes.get(self.at).is_some_and(u8::is_ascii_hexdigit)
                    || self.next_is(0, b'{')
                {
                    self.at += 1;
                }
            }
            self.at = (self.at + 1).min(self.bytes.len());
            while self.bytes.get(self.at).is_some_and(|it| it & 0xc0 == 0x80) {
                self.at += 1;
            }
        }
    }

    fn is_fraction(&self) -> bool {
        let is_digit = self.bytes.get(self.at + 1).is_some_and(u8::is_ascii_digit);
        is_digit && self.expect != OPERATOR
    }

    fn number(&mut self) {
        self.begin_operand();
        self.skip_word();
        if self.next_is(0, b'.') {
            self.at += 1;
            self.skip_word();
        }
        self.expect = OPERATOR;
    }

    /// What was said of a statement that is over comes to its end, unless `word` goes on with it.
    fn begin_token(&mut self, goes_on: bool) {
        let top = self.top();
        if std::mem::take(&mut top.is_over) && !goes_on {
            top.end_statement();
        }
    }

    /// What begins an expression: behind another it is a statement of its own.
    fn begin_operand(&mut self) {
        self.begin_token(false);
        if matches!(self.expect, Expect::Operator { .. }) {
            self.top().end_statement();
        }
    }

    /// What goes on with an expression, or begins one: a call, a member, a template.
    fn begin_postfix(&mut self) {
        self.begin_token(false);
        if matches!(self.expect, Expect::Operator { .. } | Expect::Either { .. }) {
            self.top().expressions += LINK;
        }
    }

    fn binary(&mut self, length: usize, weight: usize) {
        self.begin_token(false);
        self.at += length;
        // Behind `await` it may be a prefix like that.
        let is_sure = !matches!(self.expect, Expect::Either { .. });
        let top = self.top();
        if is_sure {
            top.expressions += weight;
            top.prefixes = 0;
        } else {
            top.expressions += RULES;
        }
        self.expect = OPERAND;
    }

    fn prefix(&mut self, length: usize) {
        self.begin_operand();
        self.at += length;
        self.top().prefixes += RULES;
        self.expect = OPERAND;
    }

    /// Whether what begins here is part of an expression, and no statement.
    fn is_operand(&self) -> bool {
        match self.expect {
            Expect::Operand { .. } => true,
            Expect::Either { is_operand } => is_operand,
            Expect::Statement
            | Expect::Operator { .. }
            | Expect::Key
            | Expect::Name
            | Expect::Class => false,
        }
    }

    #[expect(
        clippy::too_many_lines,
        reason = "one row for each word of the language"
    )]
    fn word(&mut self, was_behind_else: bool) {
        let start = self.at;
        self.skip_word();
        if self.at == start {
            self.at += 1;
        }
        let word = &self.bytes[start..self.at];
        let is_member = matches!(self.top().bracket, Bracket::Class { .. });
        match self.expect {
            Expect::Key | Expect::Name => {
                self.begin_token(false);
                self.expect = OPERATOR;
                return;
            }
            Expect::Class if word != b"extends" => {
                self.expect = OPERATOR;
                return;
            }
            Expect::Statement | Expect::Operator { .. } | Expect::Either { .. }
                if is_member && !matches!(word, b"in" | b"instanceof") =>
            {
                // A member, or `static`, `get` and their like before one, or the end of a value.
                self.begin_operand();
                self.expect = Expect::Either { is_operand: false };
                self.is_unsure = true;
                return;
            }
            Expect::Statement
            | Expect::Operand { .. }
            | Expect::Operator { .. }
            | Expect::Either { .. }
            | Expect::Class => {}
        }
        let is_operand = self.is_operand();
        let is_behind = matches!(self.expect, Expect::Operator { .. } | Expect::Either { .. });
        match word {
            b"else" => {
                self.begin_token(true);
                let top = self.top();
                top.end_expression();
                top.statements += TURN;
                self.expect = Expect::Statement;
                self.is_behind_else = true;
            }
            b"catch" | b"finally" => {
                self.begin_token(true);
                self.head(0);
            }
            b"while" => {
                if self.top().has_do {
                    // What `do` stands in may go on behind it.
                    self.begin_token(true);
                } else {
                    self.begin_operand();
                }
                self.head(RULES);
            }
            b"if" => {
                self.begin_operand();
                self.head(if was_behind_else { 0 } else { RULES });
            }
            b"for" | b"with" => {
                self.begin_operand();
                self.head(RULES);
            }
            b"switch" => {
                self.begin_operand();
                self.head(0);
            }
            b"do" => {
                self.begin_operand();
                let top = self.top();
                top.statements += RULES;
                top.has_do = true;
                self.expect = Expect::Statement;
            }
            b"try" => {
                self.begin_operand();
                self.expect = Expect::Statement;
            }
            b"case" => {
                self.top().end_statement();
                self.expect = OPERAND;
            }
            b"default" => {
                self.top().end_statement();
                self.expect = OPERATOR;
            }
            b"return" | b"throw" | b"var" | b"const" => {
                self.begin_operand();
                self.expect = OPERAND;
            }
            b"break" | b"continue" | b"debugger" => {
                self.begin_operand();
                self.either(false);
            }
            b"function" => self.announce(false, is_operand, LINK),
            b"class" => self.announce(true, is_operand, RULES),
            b"extends" => self.binary(0, RULES),
            b"in" | b"instanceof" => self.binary(0, LINK),
            b"of" if is_behind => {
                self.binary(0, LINK);
                self.expect = Expect::Either { is_operand: true };
                self.is_unsure = true;
            }
            b"new" | b"typeof" | b"void" | b"delete" => self.prefix(0),
            b"await" => {
                self.prefix(0);
                self.either(true);
            }
            b"yield" => {
                self.begin_operand();
                self.top().expressions += RULES;
                self.either(true);
            }
            b"async" => {
                self.begin_operand();
                self.top().expressions += LINK;
                self.either(is_operand);
            }
            b"let" | b"using" | b"static" | b"get" | b"set" | b"accessor" => {
                self.begin_operand();
                self.either(is_operand);
            }
            _ => {
                self.begin_operand();
                self.expect = OPERATOR;
            }
        }
    }

    fn head(&mut self, weight: usize) {
        let top = self.top();
        top.end_expression();
        top.statements += weight;
        top.is_head_next = true;
        self.expect = Expect::Statement;
    }

    fn either(&mut self, is_operand: bool) {
        self.expect = Expect::Either { is_operand };
        self.is_unsure = true;
    }

    fn announce(&mut self, is_class: bool, is_operand: bool, weight: usize) {
        self.begin_operand();
        let top = self.top();
        top.expressions += weight;
        top.announced.push(Announced {
            is_class,
            is_operand,
        });
        self.expect = if is_class {
            Expect::Class
        } else {
            Expect::Name
        };
    }

    fn punctuator(&mut self, byte: u8) {
        let (next, third) = (self.bytes.get(self.at + 1), self.bytes.get(self.at + 2));
        match byte {
            b'(' => {
                self.at += 1;
                let is_head = std::mem::take(&mut self.top().is_head_next);
                if is_head {
                    self.begin_token(true);
                } else {
                    self.begin_postfix();
                }
                self.push(Bracket::Round { is_head });
                self.expect = OPERAND;
            }
            b'[' => {
                self.at += 1;
                self.begin_postfix();
                self.push(Bracket::Square);
                self.expect = OPERAND;
            }
            b'{' => self.open_brace(),
            b')' | b']' | b'}' => self.close(),
            b';' => {
                self.at += 1;
                self.begin_token(false);
                let top = self.top();
                top.end_expression();
                top.is_over = true;
                self.expect = Expect::Statement;
            }
            b',' => {
                self.at += 1;
                self.begin_token(false);
                let top = self.top();
                top.end_expression();
                self.expect = if top.bracket == Bracket::Object {
                    Expect::Key
                } else {
                    OPERAND
                };
            }
            b':' => self.colon(),
            b'?' => match (next, third) {
                (Some(b'.'), third) if !third.is_some_and(u8::is_ascii_digit) => {
                    self.binary(2, LINK);
                    self.expect = Expect::Name;
                }
                (Some(b'?'), Some(b'=')) => self.binary(3, RULES),
                (Some(b'?'), _) => self.binary(2, LINK),
                _ => {
                    self.binary(1, TURN);
                    self.top().choices += 1;
                }
            },
            b'.' if next == Some(&b'.') && third == Some(&b'.') => {
                self.at += 3;
                self.begin_token(false);
                self.top().expressions += LINK;
                self.expect = OPERAND;
            }
            b'.' => {
                self.at += 1;
                self.begin_token(false);
                self.top().expressions += LINK;
                self.expect = Expect::Name;
            }
            b'@' => {
                self.begin_operand();
                self.at += 1;
                self.expect = OPERAND;
            }
            b'!' | b'~' if byte == b'~' || next != Some(&b'=') => self.prefix(1),
            b'*' if next != Some(&b'*')
                && next != Some(&b'=')
                && matches!(self.expect, Expect::Key | Expect::Name | Expect::Statement) =>
            {
                self.at += 1;
            }
            _ => self.operator(byte),
        }
    }

    fn open_brace(&mut self) {
        self.at += 1;
        self.begin_token(true);
        // `catch` and `finally` have a block of their own without a `(`.
        self.top().is_head_next = false;
        let bracket = match self.expect {
            Expect::Name | Expect::Class | Expect::Operator { .. } => {
                match self.top().announced.pop() {
                    Some(Announced {
                        is_class: true,
                        is_operand,
                    }) => Bracket::Class { is_operand },
                    Some(Announced {
                        is_class: false,
                        is_operand,
                    }) => Bracket::Function { is_operand },
                    // A method; else a block behind an expression, as a statement of its own.
                    None => match self.top().bracket {
                        Bracket::Object | Bracket::Class { .. } => {
                            Bracket::Function { is_operand: true }
                        }
                        _ => {
                            self.top().end_statement();
                            Bracket::Block
                        }
                    },
                }
            }
            Expect::Operand { is_body: true } => Bracket::Arrow,
            Expect::Operand { is_body: false } | Expect::Key => Bracket::Object,
            Expect::Either { .. } => match self.top().bracket {
                Bracket::Class { .. } => Bracket::Block,
                _ => Bracket::Object,
            },
            Expect::Statement => Bracket::Block,
        };
        self.push(bracket);
        self.expect = match bracket {
            Bracket::Object => Expect::Key,
            _ => Expect::Statement,
        };
    }

    fn close(&mut self) {
        self.at += 1;
        if self.levels.len() == 1 {
            // More is closed than was opened: it is refused here.
            self.top().end_statement();
            self.expect = Expect::Statement;
            return;
        }
        let closed = self.levels.pop().expect("it isn't the only one").bracket;
        match closed {
            Bracket::Round { is_head: true } => self.expect = Expect::Statement,
            Bracket::Round { is_head: false } | Bracket::Square => self.expect = OPERATOR,
            Bracket::Object
            | Bracket::Class { is_operand: true }
            | Bracket::Function { is_operand: true } => {
                self.expect = OPERATOR;
                self.is_unsure = true;
            }
            Bracket::Arrow => {
                self.expect = Expect::Operator { is_over: true };
                self.is_unsure = true;
            }
            Bracket::Block
            | Bracket::Class { is_operand: false }
            | Bracket::Function { is_operand: false } => {
                self.top().is_over = true;
                self.expect = Expect::Statement;
                self.is_unsure = true;
            }
            Bracket::Template => self.template(),
        }
    }

    fn colon(&mut self) {
        self.at += 1;
        self.begin_token(false);
        let top = self.top();
        if top.choices > 0 {
            top.choices -= 1;
            top.prefixes = 0;
            self.expect = OPERAND;
        } else if top.holds_statements() {
            top.end_expression();
            top.statements += RULES;
            self.expect = Expect::Statement;
        } else {
            self.expect = OPERAND;
        }
    }

    /// Operators of one to four signs.
    fn operator(&mut self, byte: u8) {
        let rest = self.rest();
        let run = |sign: u8, most: usize| {
            let run = rest.iter().take(most).take_while(|it| **it == sign);
            run.count()
        };
        let assigns = |length: usize| rest.get(length) == Some(&b'=');
        let is_behind = matches!(self.expect, Expect::Operator { .. } | Expect::Either { .. });
        match byte {
            b'=' if rest.get(1) == Some(&b'>') => {
                self.binary(2, RULES);
                self.expect = Expect::Operand { is_body: true };
            }
            b'=' => {
                let length = run(b'=', 3);
                self.binary(length, if length == 1 { RULES } else { LINK });
            }
            b'!' => self.binary(2 + usize::from(assigns(2)), LINK),
            b'+' | b'-' if run(byte, 2) == 2 => {
                if is_behind {
                    self.begin_token(false);
                    self.at += 2;
                    self.top().expressions += LINK;
                } else {
                    self.prefix(2);
                }
            }
            b'+' | b'-' if !is_behind && !assigns(1) => self.prefix(1),
            b'*' if run(b'*', 2) == 2 => self.binary(2 + usize::from(assigns(2)), RULES),
            b'<' | b'>' => {
                let shifts = run(byte, if byte == b'<' { 2 } else { 3 });
                let is_assigned = assigns(shifts);
                let weight = if shifts > 1 && is_assigned {
                    RULES
                } else {
                    LINK
                };
                self.binary(shifts + usize::from(is_assigned), weight);
            }
            b'&' | b'|' | b'+' | b'-' | b'*' | b'%' | b'^' => {
                let length = if matches!(byte, b'&' | b'|') {
                    run(byte, 2)
                } else {
                    1
                };
                let is_assigned = assigns(length);
                self.binary(
                    length + usize::from(is_assigned),
                    if is_assigned { RULES } else { LINK },
                );
            }
            // No token of the language: it is refused here.
            _ => self.at += 1,
        }
    }
}

/// Whether a regular expression would be read as something else if it were a division.
fn is_telling(inner: &[u8]) -> bool {
    inner.iter().enumerate().any(|(at, byte)| {
        matches!(
            byte,
            b'"' | b'\'' | b'`' | b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'\\' | b';' | b','
        ) || (*byte == b'/' && at + 1 < inner.len())
            || (*byte == b'*' && at == 0)
    })
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'$' | b'#' | b'\\')
}

fn is_line_end(rest: &[u8]) -> bool {
    matches!(rest, [b'\n' | b'\r', ..] | [0xe2, 0x80, 0xa8 | 0xa9, ..])
}

/// The character that a text begins with, which isn't ASCII.
fn first_character(rest: &[u8]) -> char {
    let most = &rest[..rest.len().min(4)];
    most.utf8_chunks()
        .next()
        .and_then(|chunk| chunk.valid().chars().next())
        .unwrap_or(char::REPLACEMENT_CHARACTER)
}

#[cfg(test)]
pub(super) mod tests;
