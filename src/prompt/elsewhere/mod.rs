//! What the other tool makes of a template with the values of a case, as far as that is known for sure: the same template
//! under the rules of JavaScript. Nothing of the source is run; what is not known is said to be.

mod operations;
mod tags;

use std::collections::BTreeMap;

use minijinja::machinery::ast::{BinOpKind, CallArg, CallType, CompareOpKind, Expr, Stmt, UnaryOpKind};
use minijinja::machinery::parse;
use minijinja::syntax::SyntaxConfig;
use serde_json::{Map, Value, json};

use self::operations::{apply, contains, cut, engine, equal, member, method, number_of, order, tested};
use super::Inline;

pub(crate) use self::tags::{tag_around, tag_end, tags, uses};

/// The most steps of one rendering.
const MOST_STEPS: usize = 200_000;

/// Whose rules hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Nunjucks,
    Handlebars,
}

/// A value, or `None` for what is not defined.
pub(crate) type Js = Option<Value>;

/// Why nothing is known: where, in the template.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unsure(pub(crate) usize);

/// A tag and what it gives: the text that is printed, or which way a condition goes.
pub(crate) struct Spot {
    /// Where an expression of the tag begins, in the template.
    pub(crate) at: usize,
    /// What it gives there.
    pub(crate) gives: String,
    pub(crate) is_condition: bool,
    /// The variables as they are there.
    pub(crate) scope: Map<String, Value>,
}

/// What a template becomes.
pub(crate) struct Rendered {
    pub(crate) text: String,
    /// What each tag gave.
    pub(crate) spots: Vec<Spot>,
    /// Where nothing is known for sure, and what it gives here was taken.
    pub(crate) unsure: Vec<usize>,
}

/// The text of a template with these values.
pub(crate) fn render(body: &str, values: &Map<String, Value>, dialect: Dialect) -> Result<Rendered, Unsure> {
    let syntax = SyntaxConfig::builder().keep_trailing_newline(true).build().map_err(|_| Unsure(0))?;
    let tree = parse(body, "template", syntax).map_err(|_| Unsure(0))?;
    let scope = values.iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect();
    let rendered = Rendered { text: String::new(), spots: Vec::new(), unsure: Vec::new() };
    let mut teller = Teller { body, dialect, scopes: vec![scope], steps: 0, rendered };
    teller.statement(&tree)?;
    Ok(teller.rendered)
}

/// What a tag gives here: its text, or whether its condition holds.
pub(crate) fn given_here(tag: &str, is_condition: bool, scope: &Map<String, Value>) -> Option<String> {
    let asked = if is_condition {
        let inner = tag.trim_start_matches("{%").trim_end_matches("%}").trim_matches(['-', '+', ' ']);
        let condition = inner.strip_prefix("if").or_else(|| inner.strip_prefix("elif")).unwrap_or(inner);
        format!("{{{{ 'true' if ({condition}) else 'false' }}}}")
    } else {
        tag.to_owned()
    };
    let scope = minijinja::Value::from(minijinja::value::Serde(scope));
    Inline::new(&asked).and_then(|inline| inline.render(&scope)).ok()
}

/// A value as JavaScript prints it.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(value) => value.to_string(),
        Value::String(text) => text.clone(),
        Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), number_text),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
        Value::Object(_) => "[object Object]".to_owned(),
    }
}

fn number_text(number: f64) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    if (1e-6..1e21).contains(&number.abs()) {
        return number.to_string();
    }
    let written = format!("{number:e}");
    if written.contains("e-") { written } else { written.replace('e', "e+") }
}

struct Teller<'b> {
    body: &'b str,
    dialect: Dialect,
    scopes: Vec<BTreeMap<String, Js>>,
    steps: usize,
    rendered: Rendered,
}

fn offset(expr: &Expr<'_>) -> usize {
    expr.span().start_offset as usize
}

impl Teller<'_> {
    fn step(&mut self) -> Result<(), Unsure> {
        self.steps += 1;
        if self.steps > MOST_STEPS { Err(Unsure(0)) } else { Ok(()) }
    }

    /// What the tag of an expression gives; what is not known for sure is taken from here.
    fn tell(&mut self, expr: &Expr<'_>, is_condition: bool) -> Result<String, Unsure> {
        let at = offset(expr);
        let value = self.value(expr);
        let all = self.scopes.iter().flatten();
        let scope: Map<String, Value> = all.filter_map(|(name, value)| Some((name.clone(), value.clone()?))).collect();
        let gives = match value {
            Ok(value) if is_condition => self.is_true(value.as_ref()).to_string(),
            Ok(value) => value.as_ref().map(text).unwrap_or_default(),
            Err(unsure) => {
                self.rendered.unsure.push(at);
                tag_around(self.body, at).and_then(|tag| given_here(tag, is_condition, &scope)).ok_or(unsure)?
            }
        };
        self.rendered.spots.push(Spot { at, gives: gives.clone(), is_condition, scope });
        Ok(gives)
    }

    fn statements(&mut self, all: &[Stmt<'_>]) -> Result<(), Unsure> {
        all.iter().try_for_each(|statement| self.statement(statement))
    }

    fn statement(&mut self, statement: &Stmt<'_>) -> Result<(), Unsure> {
        self.step()?;
        match statement {
            Stmt::Template(template) => self.statements(&template.children),
            Stmt::EmitRaw(raw) => {
                self.rendered.text.push_str(raw.raw);
                Ok(())
            }
            Stmt::EmitExpr(emit) => {
                let printed = self.tell(&emit.expr, false)?;
                self.rendered.text.push_str(&printed);
                Ok(())
            }
            Stmt::IfCond(cond) => {
                let holds = self.tell(&cond.expr, true)? == "true";
                self.statements(if holds { &cond.true_body } else { &cond.false_body })
            }
            Stmt::Set(set) => {
                let Expr::Var(name) = &set.target else { return Err(Unsure(offset(&set.target))) };
                let value = self.value(&set.expr)?;
                let known = self.scopes.iter().rposition(|scope| scope.contains_key(name.id));
                let at = known.unwrap_or(self.scopes.len() - 1);
                self.scopes[at].insert(name.id.to_owned(), value);
                Ok(())
            }
            Stmt::ForLoop(each) => {
                if each.filter_expr.is_some() || each.recursive {
                    return Err(Unsure(offset(&each.iter)));
                }
                let items = match self.value(&each.iter)? {
                    Some(Value::Array(items)) => items,
                    None | Some(Value::Null | Value::Bool(_) | Value::Number(_)) => Vec::new(),
                    Some(Value::Object(_)) if self.dialect == Dialect::Nunjucks => Vec::new(),
                    Some(_) => return Err(Unsure(offset(&each.iter))),
                };
                if items.is_empty() {
                    return self.statements(&each.else_body);
                }
                let length = items.len();
                for (at, item) in items.into_iter().enumerate() {
                    let mut scope = BTreeMap::new();
                    bind(&each.target, item, &mut scope)?;
                    let turn = json!({ "index": at + 1, "index0": at, "revindex": length - at, "first": at == 0,
                        "revindex0": length - at - 1, "last": at + 1 == length, "length": length });
                    scope.insert("loop".to_owned(), Some(turn));
                    self.scopes.push(scope);
                    let outcome = self.statements(&each.body);
                    self.scopes.pop();
                    outcome?;
                }
                Ok(())
            }
            Stmt::FilterBlock(other) => Err(Unsure(other.span().start_offset as usize)),
            Stmt::SetBlock(other) => Err(Unsure(other.span().start_offset as usize)),
            Stmt::WithBlock(other) => Err(Unsure(other.span().start_offset as usize)),
            Stmt::Macro(other) => Err(Unsure(other.span().start_offset as usize)),
            Stmt::CallBlock(other) => Err(Unsure(other.span().start_offset as usize)),
            _ => Err(Unsure(0)),
        }
    }

    fn is_true(&self, value: Option<&Value>) -> bool {
        match value {
            None | Some(Value::Null) => false,
            Some(Value::Bool(value)) => *value,
            Some(Value::Number(number)) => number.as_f64() != Some(0.0),
            Some(Value::String(text)) => !text.is_empty(),
            Some(Value::Array(items)) => self.dialect == Dialect::Nunjucks || !items.is_empty(),
            Some(Value::Object(_)) => true,
        }
    }

    fn value(&mut self, expr: &Expr<'_>) -> Result<Js, Unsure> {
        self.step()?;
        let unsure = Unsure(offset(expr));
        Ok(match expr {
            Expr::Var(name) => {
                let found = self.scopes.iter().rev().find_map(|scope| scope.get(name.id));
                found.cloned().flatten()
            }
            Expr::Const(value) => Some(serde_json::to_value(&value.value).map_err(|_| unsure)?),
            Expr::List(list) => Some(self.all(&list.items, unsure)?),
            Expr::UnaryOp(op) => {
                let value = self.value(&op.expr)?;
                match (&op.op, value) {
                    (UnaryOpKind::Not, value) => Some(json!(!self.is_true(value.as_ref()))),
                    (UnaryOpKind::Neg, Some(Value::Number(number))) => number_of(-number.as_f64().ok_or(unsure)?),
                    (UnaryOpKind::Neg, _) => return Err(unsure),
                }
            }
            Expr::IfExpr(choice) => {
                let test = self.value(&choice.test_expr)?;
                match (self.is_true(test.as_ref()), &choice.false_expr) {
                    (true, _) => self.value(&choice.true_expr)?,
                    (false, Some(other)) => self.value(other)?,
                    (false, None) => Some(json!("")),
                }
            }
            Expr::BinOp(op) => self.binary(op.op, &op.left, &op.right, unsure)?,
            Expr::Compare(compare) => {
                let [only] = compare.ops.as_slice() else { return Err(unsure) };
                let (left, right) = (self.value(&compare.expr)?, self.value(&only.expr)?);
                let holds = match only.op {
                    CompareOpKind::Eq => equal(left.as_ref(), right.as_ref()),
                    CompareOpKind::Ne => equal(left.as_ref(), right.as_ref()).map(|same| !same),
                    CompareOpKind::Lt => order(&left, &right).map(std::cmp::Ordering::is_lt),
                    CompareOpKind::Lte => order(&left, &right).map(std::cmp::Ordering::is_le),
                    CompareOpKind::Gt => order(&left, &right).map(std::cmp::Ordering::is_gt),
                    CompareOpKind::Gte => order(&left, &right).map(std::cmp::Ordering::is_ge),
                    CompareOpKind::In => contains(left.as_ref(), right.as_ref()),
                    CompareOpKind::NotIn => contains(left.as_ref(), right.as_ref()).map(|found| !found),
                };
                Some(json!(holds.ok_or(unsure)?))
            }
            Expr::GetAttr(get) => {
                let of = self.value(&get.expr)?;
                member(of.as_ref(), &json!(get.name))
            }
            Expr::GetItem(get) => {
                let of = self.value(&get.expr)?;
                let key = self.value(&get.subscript_expr)?.ok_or(unsure)?;
                member(of.as_ref(), &key)
            }
            Expr::Slice(slice) if slice.step.is_none() => {
                let of = self.value(&slice.expr)?;
                let mut end = |expr: &Option<Expr<'_>>| match expr {
                    Some(expr) => self.value(expr),
                    None => Ok(None),
                };
                let (from, to) = (end(&slice.start)?, end(&slice.stop)?);
                cut(of, from.as_ref(), to.as_ref()).ok_or(unsure)?
            }
            Expr::Filter(filter) => {
                let Some(of) = &filter.expr else { return Err(unsure) };
                let of = self.value(of)?;
                // Said where it is translated, whatever it is given.
                if let ("tojson", [CallArg::Kwarg("indent", Expr::Const(width))]) =
                    (filter.name, filter.args.as_slice())
                {
                    let of = of.ok_or(unsure)?;
                    return engine(&format!("value | tojson(indent={})", width.value), &[of]).map(Some).ok_or(unsure);
                }
                let given = self.arguments(&filter.args, unsure)?;
                apply(filter.name, of, &given).ok_or(unsure)?
            }
            Expr::Test(test) => {
                let of = self.value(&test.expr)?;
                let given = self.arguments(&test.args, unsure)?;
                Some(json!(tested(test.name, of.as_ref(), &given).ok_or(unsure)?))
            }
            Expr::Call(call) => {
                let given = self.arguments(&call.args, unsure)?;
                match call.identify_call() {
                    CallType::Method(of, name) => {
                        let Some(Value::String(of)) = self.value(of)? else { return Err(unsure) };
                        Some(method(name, &of, &given).ok_or(unsure)?)
                    }
                    CallType::Function("range") => Some(engine("range", &given).ok_or(unsure)?),
                    _ => return Err(unsure),
                }
            }
            _ => return Err(unsure),
        })
    }

    fn all(&mut self, items: &[Expr<'_>], unsure: Unsure) -> Result<Value, Unsure> {
        let values: Result<Vec<Value>, Unsure> = items.iter().map(|item| self.value(item)?.ok_or(unsure)).collect();
        Ok(Value::Array(values?))
    }

    fn arguments(&mut self, given: &[CallArg<'_>], unsure: Unsure) -> Result<Vec<Value>, Unsure> {
        let one = |argument: &CallArg<'_>| match argument {
            CallArg::Pos(expr) => self.value(expr)?.ok_or(unsure),
            _ => Err(unsure),
        };
        given.iter().map(one).collect()
    }

    fn binary(&mut self, op: BinOpKind, left: &Expr<'_>, right: &Expr<'_>, unsure: Unsure) -> Result<Js, Unsure> {
        let a = self.value(left)?;
        match op {
            BinOpKind::ScAnd if !self.is_true(a.as_ref()) => return Ok(a),
            BinOpKind::ScOr if self.is_true(a.as_ref()) => return Ok(a),
            _ => {}
        }
        let b = self.value(right)?;
        let is = |value: Option<bool>| value.map(|value| Some(json!(value))).ok_or(unsure);
        let ordered = |holds: fn(std::cmp::Ordering) -> bool| is(order(&a, &b).map(holds));
        let calculated = match op {
            BinOpKind::ScAnd | BinOpKind::ScOr => return Ok(b),
            BinOpKind::Eq => return is(equal(a.as_ref(), b.as_ref())),
            BinOpKind::Ne => return is(equal(a.as_ref(), b.as_ref()).map(|same| !same)),
            BinOpKind::In => return is(contains(a.as_ref(), b.as_ref())),
            BinOpKind::Lt => return ordered(std::cmp::Ordering::is_lt),
            BinOpKind::Lte => return ordered(std::cmp::Ordering::is_le),
            BinOpKind::Gt => return ordered(std::cmp::Ordering::is_gt),
            BinOpKind::Gte => return ordered(std::cmp::Ordering::is_ge),
            BinOpKind::Concat | BinOpKind::Add
                if op_is_text(op, a.as_ref(), b.as_ref()) && !is_nothing(a.as_ref()) && !is_nothing(b.as_ref()) =>
            {
                let both = [a, b].into_iter().flatten().map(|value| text(&value)).collect::<String>();
                return Ok(Some(json!(both)));
            }
            _ => match (a.as_ref().and_then(Value::as_f64), b.as_ref().and_then(Value::as_f64)) {
                (Some(a), Some(b)) => match op {
                    BinOpKind::Add => a + b,
                    BinOpKind::Sub => a - b,
                    BinOpKind::Mul => a * b,
                    BinOpKind::Div => a / b,
                    BinOpKind::FloorDiv => (a / b).floor(),
                    BinOpKind::Rem => a % b,
                    BinOpKind::Pow => a.powf(b),
                    _ => return Err(unsure),
                },
                _ => return Err(unsure),
            },
        };
        number_of(calculated).map(Some).ok_or(unsure)
    }
}

fn op_is_text(op: BinOpKind, a: Option<&Value>, b: Option<&Value>) -> bool {
    matches!(op, BinOpKind::Concat) || a.is_some_and(Value::is_string) || b.is_some_and(Value::is_string)
}

fn is_nothing(value: Option<&Value>) -> bool {
    matches!(value, None | Some(Value::Null))
}

fn bind(target: &Expr<'_>, item: Value, scope: &mut BTreeMap<String, Js>) -> Result<(), Unsure> {
    let names = match target {
        Expr::Var(name) => {
            scope.insert(name.id.to_owned(), Some(item));
            return Ok(());
        }
        Expr::List(list) => &list.items,
        Expr::Tuple(tuple) => &tuple.items,
        _ => return Err(Unsure(offset(target))),
    };
    let Value::Array(parts) = item else { return Err(Unsure(offset(target))) };
    for (at, name) in names.iter().enumerate() {
        let Expr::Var(name) = name else { return Err(Unsure(offset(target))) };
        scope.insert(name.id.to_owned(), parts.get(at).cloned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(body: &str, values: &Value, dialect: Dialect) -> Option<String> {
        let told = render(body, values.as_object().expect("an object"), dialect).ok()?;
        told.unsure.is_empty().then_some(told.text)
    }

    #[test]
    fn what_nunjucks_prints() {
        let values = json!({ "t": true, "f": false, "nul": null, "l": ["c", "a"], "el": [], "o": { "a": 1, "b": true },
            "n": 7, "x": 2.5, "s": "abc", "smile": "a😀b" });
        for (body, there) in [
            ("{{ t }} {{ not t }} {{ n == 7 }}", "true false true"),
            ("[{{ nul }}|{{ gone }}|{{ o.gone }}|{{ o.gone.more }}]", "[|||]"),
            ("{{ l }} {{ o }} {{ x }} {{ n / 2 }} {{ 8 / 2 }} {{ -7 % 3 }}", "c,a [object Object] 2.5 3.5 4 -1"),
            ("{{ 3.7|round }} {{ x|round }} {{ n * 1.0 }}", "4 3 7"),
            ("{% if el %}yes{% else %}no{% endif %}{% if nul == none %}y{% endif %}", "yesy"),
            ("{% for a in l %}{{ loop.index }}{{ loop.length }}{{ a }}{% endfor %}", "12c22a"),
            ("{{ s[-2:] }} {{ smile|length }} {{ s|upper }} {{ gone|default('d') }}", "bc 4 ABC d"),
            ("{% for k in o %}x{% endfor %}{% for k, v in o|items %}{{ k }}{{ v }}{% endfor %}", "a1btrue"),
            ("{{ s.replace('a', 'b', 1) }}{{ 'a' ~ n }}{{ 'a' + n }}", "bbca7a7"),
        ] {
            assert_eq!(told(body, &values, Dialect::Nunjucks).as_deref(), Some(there), "{body}");
        }
        for unknown in
            ["{{ n == '7' }}", "{{ s|wordcount }}", "{% macro m() %}{% endmacro %}", "{{ 1 / 0 }}", "{{ t + n }}"]
        {
            assert_eq!(told(unknown, &values, Dialect::Nunjucks), None, "{unknown}");
        }
        assert_eq!(told("{% if el %}a{% endif %}", &values, Dialect::Handlebars).as_deref(), Some(""));
    }

    #[test]
    fn numbers_as_javascript_writes_them() {
        for (number, there) in
            [(1.0, "1"), (0.1, "0.1"), (1e21, "1e+21"), (1e-7, "1e-7"), (-0.0, "0"), (123_456.5, "123456.5")]
        {
            assert_eq!(text(&json!(number)), there);
        }
    }
}
