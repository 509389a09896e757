//! All diagnostics there are.

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The policy is refused.
    Error,
    /// The policy is accepted, but probably does not do what was meant.
    Warning,
    /// What the policy leaves open, and cannot be wrong to.
    Note,
}

macro_rules! codes {
    ($($variant:ident $level:ident $id:literal $explanation:literal)+) => {
        /// What kind of diagnostic it is. Numbers are never used again for something else.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code { $(#[doc = $explanation] $variant,)+ }

        impl Code {
            /// All of them, errors first, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its number as users see it, such as `E0103`; warnings begin with `W`, notes with `N`.
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
    Contradiction     Error   "E0205" "Two files give the policy different names, serials, expiries or modes."
    BadExpiry         Error   "E0206" "A moment that is not complete, or not of the years 1970 to 9999."
    DuplicateRule     Error   "E0301" "Two rules have the same id."
    NoObject          Error   "E0302" "A rule that names nothing it could protect."
    UnknownOperation  Error   "E0303" "An operation that the language does not have."
    UnknownSeverity   Error   "E0304" "A severity that the language does not have."
    BadReason         Error   "E0305" "A reason that is too long or contains control characters."
    UnknownAnchors    Error   "E0306" "A value of `anchors` that is neither `hold` nor `follow`."
    NeverMatches      Error   "E0307" "An operation and what the rule names can never meet, such as `connect` and a path."
    UnknownAction     Error   "E0308" "An action that is neither `deny` nor `allow`."
    AllowOfHost       Error   "E0309" "A rule that allows, outside of a tenant."
    UnknownSignal     Error   "E0310" "A signal that the language does not have."
    BadEscalation     Error   "E0311" "An escalation without a signal that it could begin with, or with a count of 0."
    BadMitre          Error   "E0312" "A technique of MITRE ATT&CK that is not written as `T1003` or `T1003.008`."
    EmptyCondition    Error   "E0313" "A condition that says nothing."
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
    BadDigest         Error   "E0411" "A digest that has not the digits or the algorithm that it should have."
    BadUnix           Error   "E0412" "An abstract unix socket whose name is empty or too long."
    BadCgroup         Error   "E0501" "A cgroup that is neither an absolute path nor `cgid:NUMBER`."
    RootCgroup        Error   "E0502" "The root cgroup, in which everything is, as an exemption or a condition."
    BadId             Error   "E0503" "A user or group that is neither a number nor a range of them."
    BadNamespace      Error   "E0504" "A namespace that is neither `host` nor a number."
    BadNet            Error   "E0602" "An address of the network that is not one."
    HostBits          Error   "E0603" "A network with bits set that its prefix leaves open."
    BadPort           Error   "E0604" "A port that is not a number from 1 to 65535, or a range that ends before it begins."
    BadProtocol       Error   "E0605" "A protocol that is neither `tcp` nor `udp`."
    UnknownDirection  Error   "E0606" "A direction that format 1 does not have."
    NoScope           Error   "E0701" "A tenant without a cgroup or namespace."
    DuplicateTenant   Error   "E0702" "Two files describe the same tenant."
    UnknownTenant     Error   "E0703" "A rule of a tenant that is not described."
    TenantLimit       Error   "E0704" "A tenant with more rules or objects than it may have."
    Repeated          Warning "W0001" "The same thing is listed twice; it counts once."
    Wildcard          Warning "W0002" "A path with `*` or `?`, which are ordinary characters here."
    Overruled         Warning "W0003" "An observing rule has no effect because another rule enforces the same."
    IdleAnchors       Warning "W0004" "`anchors` has no effect on a rule without paths."
    Survivor          Warning "W0005" "A rule on what is never denied to anybody: the dynamic loader, PID 1, the agent itself."
    NoBoot            Warning "W0006" "A rule that keeps programs from being started for everybody, beyond what survives."
    Swallowed         Warning "W0007" "Exceptions that leave nobody whom the rule is about."
    WritableParent    Warning "W0008" "A path that anybody can put something else at, where the rule relies on what is there."
    Covered           Warning "W0009" "Something that another entry of the same rule covers already."
    IdleAllow         Warning "W0010" "A rule that allows what no rule of its tenant denies."
    RawDevices        Note    "N0001" "Files are protected and the block devices below them are not."
}

impl std::fmt::Display for Code {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.id())
    }
}
