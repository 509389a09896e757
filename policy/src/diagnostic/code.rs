//! All diagnostics there are.

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The policy is refused.
    Error,
    /// The policy is accepted, but probably does not do what was meant.
    Warning,
}

macro_rules! codes {
    ($($variant:ident $level:ident $id:literal $explanation:literal)+) => {
        /// What kind of diagnostic it is. Numbers are never used again for something else.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code { $(#[doc = $explanation] $variant,)+ }

        impl Code {
            /// All of them, errors first, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its number as users see it, such as `E0103`; warnings begin with `W`.
            #[must_use]
            pub fn id(self) -> &'static str {
                match self { $(Self::$variant => $id,)+ }
            }

            /// One line that explains it without an example at hand.
            #[must_use]
            pub fn explanation(self) -> &'static str {
                match self { $(Self::$variant => $explanation,)+ }
            }

            /// How bad it is.
            #[must_use]
            pub fn level(self) -> Level {
                match self { $(Self::$variant => Level::$level,)+ }
            }
        }
    };
}

codes! {
    NoSource          Error   "E0001" "There is no policy file to compile."
    Syntax            Error   "E0002" "The text is not TOML."
    BadLine           Error   "E0003" "A line of format 1 that is neither a section nor a setting."
    UnknownKey        Error   "E0101" "A key that the language does not have."
    MissingKey        Error   "E0102" "A key that must be given is not there."
    WrongType         Error   "E0103" "A value of another type than its key takes."
    EmptyList         Error   "E0104" "A list without anything in it."
    UnknownSection    Error   "E0105" "A section that format 1 does not have."
    UnsupportedVersion Error  "E0201" "The policy is written in a format that this program does not read."
    BadName           Error   "E0202" "A name or id has characters or a length that is not allowed."
    BadSerial         Error   "E0203" "A serial number that is not an integer from 1 to 18446744073709551615."
    UnknownMode       Error   "E0204" "A mode that is neither `enforce` nor `observe`."
    Contradiction     Error   "E0205" "Two files give the policy different names, serials or modes."
    DuplicateRule     Error   "E0301" "Two rules have the same id."
    NoObject          Error   "E0302" "A rule that names nothing it could protect."
    UnknownOperation  Error   "E0303" "An operation that the language does not have."
    UnknownSeverity   Error   "E0304" "A severity that the language does not have."
    BadReason         Error   "E0305" "A reason that is too long or contains control characters."
    UnknownAnchors    Error   "E0306" "A value of `anchors` that is neither `hold` nor `follow`."
    NeverMatches      Error   "E0307" "Operations that only make something new, on an inode, which is there already."
    RelativePath      Error   "E0401" "A path that does not begin at the root."
    RootPath          Error   "E0402" "The path of the root directory itself."
    UnnormalPath      Error   "E0403" "A path with `.`, `..`, an empty component or a slash at its end."
    LongPath          Error   "E0404" "A path or a component of it is longer than the kernel accepts."
    NulInPath         Error   "E0405" "A path with a NUL character."
    BadInode          Error   "E0406" "An inode that is not written as `major:minor:inode` or `major:minor:inode:generation`."
    InodeWithoutMinor Error   "E0407" "An inode written as `device:inode`, which does not say which device numbers are meant."
    NumberTooBig      Error   "E0408" "A number beyond what the kernel uses for it."
    BadDeviceInode    Error   "E0409" "An inode of format 1 that is not written as `device:inode`."
    NotALine          Error   "E0410" "A path that no line of format 1 can hold."
    BadCgroup         Error   "E0501" "A cgroup that is neither an absolute path nor `cgid:NUMBER`."
    RootCgroup        Error   "E0502" "The root cgroup as an exemption, which would exempt everything."
    NetworkRules      Error   "E0601" "Rules for the network, which this version cannot enforce."
    Repeated          Warning "W0001" "The same thing is listed twice; it counts once."
    Wildcard          Warning "W0002" "A path with `*` or `?`, which are ordinary characters here."
    Overruled         Warning "W0003" "An observing rule has no effect because another rule enforces the same."
    IdleAnchors       Warning "W0004" "`anchors` has no effect on a rule without paths."
}

impl std::fmt::Display for Code {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.id())
    }
}
