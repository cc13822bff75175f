//! `is-sql` and `contains-sql`: whether an answer is SQL of a dialect, of which kind, and on which tables.

use super::Written;
use super::argument::Arguments;

#[cfg(not(feature = "sql"))]
fn build(arguments: &mut Arguments<'_, '_, '_>, _: bool) -> Option<Box<dyn Written>> {
    let message = format!("`{}` is not part of this build of promptctl", arguments.name);
    let help = "build it with the cargo feature `sql`, which the released binaries have";
    arguments.decoder.error_help(arguments.span.clone(), message, help);
    None
}

#[cfg(feature = "sql")]
use parsed::build;

pub(super) fn is_sql(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    build(arguments, false)
}

pub(super) fn contains_sql(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    build(arguments, true)
}

#[cfg(feature = "sql")]
mod parsed {
    use std::collections::BTreeSet;
    use std::ops::ControlFlow;

    use sqlparser::ast::{Statement, Visit, Visitor};
    use sqlparser::dialect::dialect_from_str;
    use sqlparser::parser::Parser;

    use crate::core::decode::Fields;
    use crate::core::suggest::did_you_mean;
    use crate::core::yaml::Data;
    use crate::expect::argument::Arguments;
    use crate::expect::fence::blocks;
    use crate::expect::fixed::fixed;
    use crate::expect::shown::quoted;
    use crate::expect::{Check, Finding, Subject, Written};

    /// The longest text that is read, in bytes.
    const LONGEST: usize = 64 << 10;
    /// A long chain of operators becomes a deep tree, which is walked and taken apart on a stack of this size, in bytes.
    const STACK: usize = 256 << 20;
    const DIALECTS: [&str; 16] = [
        "ansi",
        "bigquery",
        "clickhouse",
        "databricks",
        "duckdb",
        "generic",
        "hive",
        "mssql",
        "mysql",
        "oracle",
        "postgresql",
        "redshift",
        "snowflake",
        "spark",
        "sqlite",
        "teradata",
    ];
    /// As other tools of the field have it.
    const DEFAULT: &str = "mysql";

    /// What a statement begins with, as the parser writes it.
    const KINDS: &str = "alter analyze assert attach begin cache call case close comment commit copy create deallocate \
        declare delete deny desc describe detach discard drop end execute exec explain export fetch flush grant if \
        insert install kill list listen load lock merge msck notify open optimize pragma prepare print put raise \
        raiserror release remove rename replace reset return revoke rollback savepoint select set show start throw \
        truncate uncache unlisten unload unlock update use vacuum waitfor while with";

    struct Sql {
        anywhere: bool,
        dialect: String,
        /// In lower case; `None`: whatever they are.
        tables: Option<Vec<String>>,
        statements: Option<Vec<String>>,
    }

    pub(super) fn build(arguments: &mut Arguments<'_, '_, '_>, anywhere: bool) -> Option<Box<dyn Written>> {
        let mut sql = Sql { anywhere, dialect: DEFAULT.into(), tables: None, statements: None };
        if let Some(node) = arguments.value {
            if let Data::Map(_) = node.data {
                let fields = arguments.decoder.fields(node, arguments.name, &["dialect", "tables", "statements"])?;
                if let Some(node) = fields.get("dialect") {
                    sql.dialect = arguments.decoder.text(node, "dialect")?;
                }
                sql.tables = words(arguments, &fields, "tables")?;
                sql.statements = words(arguments, &fields, "statements")?;
                let unknown = |kind: &&String| KINDS.split(' ').all(|known| known != kind.as_str());
                if let Some(unknown) = sql.statements.iter().flatten().find(unknown) {
                    let hint = did_you_mean(unknown, KINDS.split(' '));
                    let message = format!("`{unknown}` is no kind of statement{hint}");
                    let help = "kinds are the first words of statements: select, insert, update, delete, create, …";
                    arguments.decoder.error_help(arguments.span.clone(), message, help);
                    return None;
                }
            } else {
                sql.dialect = arguments.decoder.text(node, "the dialect")?;
            }
        }
        sql.dialect = sql.dialect.to_lowercase();
        if dialect_from_str(&sql.dialect).is_none() {
            let hint = did_you_mean(&sql.dialect, DIALECTS);
            let message = format!("`{}` is no dialect of SQL; there are {}{hint}", sql.dialect, DIALECTS.join(", "));
            arguments.error(message);
            return None;
        }
        Some(fixed(sql))
    }

    #[expect(clippy::option_option, reason = "the outer one is a mistake, the inner one an option that is left out")]
    fn words(arguments: &mut Arguments<'_, '_, '_>, fields: &Fields<'_>, key: &str) -> Option<Option<Vec<String>>> {
        let Some(node) = fields.get(key) else { return Some(None) };
        let words = arguments.decoder.texts(node, key)?;
        if words.is_empty() || words.iter().any(|word| word.trim().is_empty()) {
            arguments.decoder.error(node.span.clone(), format!("`{key}` needs at least one, and none of them empty"));
            return None;
        }
        Some(Some(words.iter().map(|word| word.trim().to_lowercase()).collect()))
    }

    /// The tables and the kinds of statements of some SQL, those within others too.
    #[derive(Default)]
    struct Seen {
        tables: BTreeSet<String>,
        /// Names that `with` gives.
        named: BTreeSet<String>,
        statements: BTreeSet<String>,
    }

    impl Visitor for Seen {
        type Break = ();

        fn pre_visit_query(&mut self, query: &sqlparser::ast::Query) -> ControlFlow<()> {
            for table in query.with.iter().flat_map(|with| &with.cte_tables) {
                self.named.insert(table.alias.name.value.to_lowercase());
            }
            ControlFlow::Continue(())
        }

        fn pre_visit_relation(&mut self, name: &sqlparser::ast::ObjectName) -> ControlFlow<()> {
            let part = |part: &sqlparser::ast::ObjectNamePart| match part.as_ident() {
                Some(name) => name.value.to_lowercase(),
                None => part.to_string().to_lowercase(),
            };
            self.tables.insert(name.0.iter().map(part).collect::<Vec<_>>().join("."));
            ControlFlow::Continue(())
        }

        fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<()> {
            let kind = match statement {
                Statement::Query(_) => "select".to_owned(),
                other => {
                    let text = other.to_string();
                    text.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default().to_lowercase()
                }
            };
            self.statements.insert(kind);
            ControlFlow::Continue(())
        }
    }

    impl Sql {
        /// Why a text is not what is expected.
        fn fault(&self, text: &str) -> Result<(), String> {
            let Some(dialect) = dialect_from_str(&self.dialect) else { return Err("there is no such dialect".into()) };
            let statements = Parser::parse_sql(&*dialect, text).map_err(|error| error.to_string())?;
            if statements.is_empty() {
                return Err("there is no statement".into());
            }
            let mut seen = Seen::default();
            for statement in &statements {
                let _ = statement.visit(&mut seen);
            }
            if let Some(kinds) = &self.statements
                && let Some(other) = seen.statements.iter().find(|kind| !kinds.contains(kind))
            {
                return Err(format!("a statement is `{other}`; only {} may be there", kinds.join(", ")));
            }
            let Some(tables) = &self.tables else { return Ok(()) };
            // `orders` allows `shop.orders` too; `shop.orders` allows that one alone.
            let allowed = |table: &String| {
                let last = table.rsplit('.').next().unwrap_or(table);
                seen.named.contains(table) || tables.iter().any(|name| name == table || name == last)
            };
            match seen.tables.iter().find(|table| !allowed(table)) {
                Some(other) => {
                    Err(format!("it names the table {}; only {} may be named", quoted(other), tables.join(", ")))
                }
                None => Ok(()),
            }
        }

        fn finding(&self, text: &str) -> Finding {
            let blocks = if self.anywhere { blocks(text) } else { Vec::new() };
            let of_sql = |language: &str| matches!(language, "" | "sql") || DIALECTS.contains(&language);
            let mut texts: Vec<&str> = blocks.iter().filter(|b| of_sql(&b.language)).map(|b| b.body).collect();
            texts.retain(|text| !text.trim().is_empty());
            if texts.is_empty() {
                texts.push(text);
            }
            let mut why = String::new();
            for text in texts {
                match self.fault(text) {
                    Ok(()) => return Finding::new(true, format!("there is SQL: {}", quoted(text.trim()))),
                    Err(fault) if why.is_empty() => why = fault,
                    Err(_) => {}
                }
            }
            let what = if self.anywhere { "there is no such SQL" } else { "the answer is no such SQL" };
            Finding::new(false, format!("{what} ({}: {why}): {}", self.dialect, quoted(text)))
        }
    }

    impl Check for Sql {
        fn check(&self, subject: &Subject<'_>) -> Finding {
            let text = &subject.response.text;
            if text.len() > LONGEST {
                return Finding::unknown(format!(
                    "the answer is longer than {} KiB, too long to be read as SQL",
                    LONGEST >> 10
                ));
            }
            let done = std::thread::scope(|scope| {
                let thread = std::thread::Builder::new().stack_size(STACK);
                thread.spawn_scoped(scope, || self.finding(text)).map(std::thread::ScopedJoinHandle::join)
            });
            match done {
                Ok(Ok(finding)) => finding,
                _ => Finding::unknown("the answer could not be read as SQL: there is too little memory"),
            }
        }
    }
}
