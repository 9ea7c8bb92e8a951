//! What made-up tenants are made of. No real company, person or product
//! version; weakness names are MITRE's.

use countersign_wire::finding::Reference;

use crate::marks::BASE;

#[derive(Clone, Copy)]
pub struct Flaw {
    pub severity: i64,
    pub cwe: i64,
    pub name: &'static str,
    pub category: i64,
    pub category_name: &'static str,
    pub functions: &'static [&'static str],
    pub risk: &'static str,
    pub fix: &'static str,
}

impl Flaw {
    pub fn weakness(&self) -> Reference {
        reference("cwes", self.cwe, self.name)
    }

    pub fn category(&self) -> Reference {
        reference("categories", self.category, self.category_name)
    }

    /// Three spans: what, how to fix, where to read on.
    pub fn description(&self, subject: &str) -> String {
        format!(
            "<span>The call to {subject}() handles untrusted input. {} The value reaches the call without a check that a reader of the code could point at.</span> <span>{} Check all input from outside against the form that is expected, in one central place.</span> <span>References: <a href=\"https://cwe.mitre.org/data/definitions/{}.html\">CWE</a> <a href=\"https://owasp.org/www-community/\">OWASP</a></span>",
            self.risk, self.fix, self.cwe
        )
    }
}

/// An entry of this platform's own dictionary.
pub fn reference(dictionary: &str, id: i64, name: &str) -> Reference {
    Reference {
        id: Some(id),
        name: Some(name.into()),
        href: Some(format!("{BASE}/appsec/v1/{dictionary}/{id}")),
    }
}

/// Where a vulnerability is described: by the vendor if it gave the id, else by NVD.
pub fn vulnerability_href(id: &str) -> String {
    match id.starts_with("CVE-") {
        true => format!("http://nvd.nist.gov/vuln/detail/{id}"),
        false => format!(
            "https://sca.analysiscenter.veracode.com/vulnerability-database/search#query={id}"
        ),
    }
}

pub const FLAWS: &[Flaw] = &[
    Flaw {
        severity: 5,
        cwe: 78,
        name: "Improper Neutralization of Special Elements used in an OS Command ('OS Command Injection')",
        category: 18,
        category_name: "Command or Argument Injection",
        functions: &["java.lang.Runtime.exec", "java.lang.ProcessBuilder.start"],
        risk: "Whoever controls it can run commands on the server.",
        fix: "Call the program without a shell and pass arguments as a list.",
    },
    Flaw {
        severity: 4,
        cwe: 89,
        name: "Improper Neutralization of Special Elements used in an SQL Command ('SQL Injection')",
        category: 19,
        category_name: "SQL Injection",
        functions: &["java.sql.Statement.executeQuery", "java.sql.Statement.executeUpdate"],
        risk: "Whoever controls it can read and change the database.",
        fix: "Bind values instead of joining text.",
    },
    Flaw {
        severity: 3,
        cwe: 80,
        name: "Improper Neutralization of Script-Related HTML Tags in a Web Page (Basic XSS)",
        category: 20,
        category_name: "Cross-Site Scripting (XSS)",
        functions: &["javax.servlet.jsp.JspWriter.print", "java.io.PrintWriter.println"],
        risk: "A visitor's browser may run what somebody else wrote.",
        fix: "Escape for the place in the page where the value goes.",
    },
    Flaw {
        severity: 3,
        cwe: 117,
        name: "Improper Output Neutralization for Logs",
        category: 21,
        category_name: "CRLF Injection",
        functions: &["org.slf4j.Logger.info", "org.slf4j.Logger.debug", "org.slf4j.Logger.warn"],
        risk: "Log lines can be forged.",
        fix: "Remove line breaks before logging.",
    },
    Flaw {
        severity: 3,
        cwe: 73,
        name: "External Control of File Name or Path",
        category: 22,
        category_name: "Directory Traversal",
        functions: &["java.io.File.!operator_javanewinit", "java.nio.file.Paths.get"],
        risk: "Files outside the folder can be read.",
        fix: "Choose from a fixed list of names.",
    },
    Flaw {
        severity: 3,
        cwe: 601,
        name: "URL Redirection to Untrusted Site ('Open Redirect')",
        category: 23,
        category_name: "Untrusted Redirect",
        functions: &["javax.servlet.http.HttpServletResponse.sendRedirect"],
        risk: "Visitors can be sent to a site that imitates this one.",
        fix: "Redirect to known targets only.",
    },
    Flaw {
        severity: 3,
        cwe: 327,
        name: "Use of a Broken or Risky Cryptographic Algorithm",
        category: 12,
        category_name: "Cryptographic Issues",
        functions: &["javax.crypto.Cipher.getInstance", "java.security.MessageDigest.getInstance"],
        risk: "The protection can be undone with known means.",
        fix: "Use an algorithm that is recommended today.",
    },
    Flaw {
        severity: 3,
        cwe: 259,
        name: "Use of Hard-coded Password",
        category: 10,
        category_name: "Credentials Management",
        functions: &["java.sql.DriverManager.getConnection"],
        risk: "Everybody who has the program has the password.",
        fix: "Read the password from a vault at run time.",
    },
    Flaw {
        severity: 2,
        cwe: 404,
        name: "Improper Resource Shutdown or Release",
        category: 17,
        category_name: "Code Quality",
        functions: &[
            "java.io.FileInputStream.!operator_javanewinit",
            "java.sql.Connection.prepareStatement",
        ],
        risk: "Resources run out under load.",
        fix: "Close resources on every path.",
    },
    Flaw {
        severity: 2,
        cwe: 209,
        name: "Generation of Error Message Containing Sensitive Information",
        category: 13,
        category_name: "Information Leakage",
        functions: &["java.lang.Throwable.printStackTrace"],
        risk: "Error messages show how the program works inside.",
        fix: "Log details and show a general message.",
    },
    Flaw {
        severity: 2,
        cwe: 1004,
        name: "Sensitive Cookie Without 'HttpOnly' Flag",
        category: 13,
        category_name: "Information Leakage",
        functions: &["javax.servlet.http.HttpServletResponse.addCookie"],
        risk: "Scripts can read the cookie.",
        fix: "Set the flag.",
    },
    Flaw {
        severity: 1,
        cwe: 546,
        name: "Suspicious Comment",
        category: 17,
        category_name: "Code Quality",
        functions: &["com.example.Notes.pending"],
        risk: "Something may be unfinished.",
        fix: "Finish it or remove the remark.",
    },
    Flaw {
        severity: 0,
        cwe: 597,
        name: "Use of Wrong Operator in String Comparison",
        category: 17,
        category_name: "Code Quality",
        functions: &["java.lang.String.equals"],
        risk: "The comparison may not say what it seems to.",
        fix: "Compare by value.",
    },
];

#[derive(Clone, Copy)]
pub struct Component {
    pub name: &'static str,
    pub extension: &'static str,
    pub language: &'static str,
    pub weakness: &'static str,
    pub cwe: Option<(i64, &'static str)>,
}

pub const COMPONENTS: &[Component] = &[
    Component {
        name: "example-web-core",
        extension: "jar",
        language: "JAVA",
        weakness: "denial of service",
        cwe: Some((400, "Uncontrolled Resource Consumption")),
    },
    Component {
        name: "sample-json-binder",
        extension: "jar",
        language: "JAVA",
        weakness: "deserialization of untrusted data",
        cwe: Some((502, "Deserialization of Untrusted Data")),
    },
    Component {
        name: "demo-http-client",
        extension: "jar",
        language: "JAVA",
        weakness: "request smuggling",
        cwe: Some((444, "Inconsistent Interpretation of HTTP Requests")),
    },
    Component {
        name: "fictional-log-bridge",
        extension: "jar",
        language: "JAVA",
        weakness: "remote code execution",
        cwe: Some((917, "Expression Language Injection")),
    },
    Component {
        name: "made-up-template",
        extension: "tgz",
        language: "JAVASCRIPT",
        weakness: "prototype pollution",
        cwe: Some((1321, "Prototype Pollution")),
    },
    Component {
        name: "pretend-router",
        extension: "tgz",
        language: "JAVASCRIPT",
        weakness: "regular expression denial of service",
        cwe: None,
    },
    Component {
        name: "invented-yaml",
        extension: "whl",
        language: "PYTHON",
        weakness: "arbitrary code execution",
        cwe: Some((20, "Improper Input Validation")),
    },
    Component {
        name: "imagined-crypto",
        extension: "nupkg",
        language: "CSHARP",
        weakness: "information disclosure",
        cwe: Some((203, "Observable Discrepancy")),
    },
];

pub const NAMES: &[&str] = &[
    "Harbor Ledger",
    "Maple Checkout",
    "Lantern Portal",
    "Cobalt Claims",
    "Willow Notify",
    "Orchard Search",
    "Granite Vault",
    "Juniper Mobile",
    "Meadow Batch",
    "Summit Reports",
    "Pebble Identity",
    "Canyon Orders",
    "Saffron Booking",
    "Tundra Inventory",
    "Marigold CRM",
    "Falcon Gateway",
    "Birch Payroll",
    "Coral Uploads",
    "Ember Pricing",
    "Fjord Archive",
    "Glacier Sync",
    "Heron Tickets",
    "Indigo Forms",
    "Jasmine Chat",
    "Kestrel Metrics",
    "Lagoon Media",
    "Mosaic Catalog",
    "Nimbus Mail",
    "Opal Wallet",
    "Prairie Dispatch",
    "Quartz Rules",
    "Raven Audit",
    "Sequoia Planner",
    "Thistle Survey",
    "Umber Print",
    "Violet Loyalty",
    "Walnut Rates",
    "Xenon Lab",
    "Yarrow Care",
    "Zephyr Fleet",
    "Acorn Training",
    "Basalt Routing",
    "Cedar Refunds",
    "Dahlia Offers",
    "Elder Records",
    "Fern Onboarding",
    "Garnet Billing",
    "Hazel Support",
    "Iris Scheduler",
    "Jade Contracts",
    "Kelp Telemetry",
    "Larch Exports",
    "Myrtle Profile",
    "Nettle Alerts",
    "Olive Grants",
    "Pine Warehouse",
    "Quill Editor",
    "Rowan Benefits",
    "Sorrel Quotes",
    "Teal Sandbox",
];

pub const TEAMS: &[&str] =
    &["Blue Team", "Payments", "Platform", "Mobile", "Data", "Partner Portal"];

pub const UNITS: &[&str] = &["Retail Example", "Finance Example", "Internal Example"];

pub const CLASSES: &[&str] = &[
    "AccountController",
    "OrderService",
    "LoginServlet",
    "ReportBuilder",
    "FileStore",
    "PaymentClient",
    "AuditLog",
    "UserRepository",
    "SearchHandler",
    "ExportJob",
    "SessionFilter",
    "MailSender",
];

pub const METHODS: &[&str] =
    &["handle", "load", "save", "search", "render", "export", "login", "update", "list", "send"];
