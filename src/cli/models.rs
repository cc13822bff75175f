//! `promptctl models`: what can be asked, where it is, what it costs, and where that is known from.

use serde_json::{Value, json};

use super::context::Context;
use super::environment::Environment;
use super::failure::Failure;
use super::load::Project;
use super::tuned::{origin, reminders};
use crate::core::escape::terminal_line;
use crate::core::price::{Price, Tier};
use crate::core::verdict::Exit;
use crate::model::{host, missing_credentials, secret_variables};
use crate::project::{ModelEntry, find_root, known_price, known_prices, prices_as_of};

/// Parameters of sampling, which decide how much answers vary.
const SAMPLING: [&str; 5] = ["temperature", "top_p", "topP", "top_k", "seed"];

/// List the project's models, and the prices of well-known models with their sources.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(context: &mut Context, args: &Args) -> Result<Exit, Failure> {
    let mut rows = Vec::new();
    // The table of prices is of use without a project, too.
    if find_root(context.folder()).is_ok() {
        let project = Project::on_disk(context)?;
        let environment = Environment::load(&project)?;
        let (prepared, _) = project.load()?;
        for entry in &prepared.workspace.config.models {
            let mut row = describe(entry, &environment);
            if let Some(tuned) = &entry.fine_tuned {
                let why = reminders(context, &project, &prepared, entry, tuned)?;
                let (from, base, data, on) = (&tuned.from, &tuned.base, &tuned.data, &tuned.on);
                row["fine_tuned"] = json!({"from": from, "base": base, "data": data, "on": on, "retrain": why});
                row["origin"] = json!(origin(tuned));
            }
            rows.push(row);
        }
    }
    if args.json {
        rows.iter_mut().filter_map(Value::as_object_mut).for_each(|row| drop(row.remove("origin")));
        let document = json!({"models": rows, "prices": prices(), "prices_as_of": prices_as_of()});
        context.print_json(&document)?;
        return Ok(Exit::Good);
    }
    let style = context.style();
    for row in &rows {
        let text = |name: &str| row[name].as_str().map(|text| terminal_line(text).into_owned()).unwrap_or_default();
        let (alias, provider) = (text("alias"), text("provider"));
        writeln!(context.out(), "{} {provider} {}", style.bold(&alias), text("model"))?;
        let mut lines = Vec::new();
        if row["host"].is_string() {
            lines.push(format!("at {}", text("host")));
        }
        if row["key"].is_string() {
            lines.push(format!("key: {}", text("key")));
        }
        lines.push(format!("sampling: {}", text("sampling")));
        lines.push(format!("price: {}", text("price")));
        if row["retires"].is_string() {
            lines.push(style.yellow(&format!("the vendor ends it on {}", text("retires"))));
        }
        if row["origin"].is_string() {
            lines.push(format!("tuned from {}", text("origin")));
        }
        for why in row["fine_tuned"]["retrain"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            lines.push(style.yellow(&format!("tune it again: {}", terminal_line(why))));
        }
        for line in lines {
            writeln!(context.out(), "    {line}")?;
        }
    }
    if !rows.is_empty() {
        writeln!(context.out())?;
    }
    let title = format!("Prices of well-known models, USD per million tokens, newest of {}", prices_as_of());
    writeln!(context.out(), "{}", style.bold(&title))?;
    let titles = ["model", "input", "cached", "write", "output", "as of"];
    let line = |cells: [&str; 6]| {
        let [model, input, cached, write, output, day] = cells;
        format!("{model:44} {input:>8} {cached:>8} {write:>8} {output:>8}  {day:10}")
    };
    writeln!(context.out(), "{}  source", line(titles))?;
    let amount = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value}"));
    for row in known_prices() {
        let price = row.price();
        let Price { input, cached_input, cache_write, output, .. } = price;
        let name = format!("{} {}", row.vendor, row.id);
        let cells = [amount(Some(input)), amount(cached_input), amount(cache_write), amount(Some(output))];
        let cells = line([&name, &cells[0], &cells[1], &cells[2], &cells[3], &row.as_of]);
        let retires = row.retires.as_ref().map(|day| format!(" (ends {day})")).unwrap_or_default();
        writeln!(context.out(), "{cells}  {}{}{retires}", row.source, tiers(&price))?;
    }
    Ok(Exit::Good)
}

fn describe(entry: &ModelEntry, environment: &Environment) -> Value {
    let get = |name: &str| environment.get(name);
    let names = secret_variables(entry);
    let key = match (names.is_empty(), missing_credentials(entry, &get)) {
        (true, _) => None,
        (false, Some(missing)) => Some(format!("{missing} is not set")),
        (false, None) => {
            let set: Vec<&str> = names.iter().map(String::as_str).filter(|name| get(name).is_some()).collect();
            Some(format!("{} is set", set.join(", ")))
        }
    };
    let set: Vec<String> =
        SAMPLING.iter().filter_map(|name| entry.params.get(*name).map(|value| format!("{name} {value}"))).collect();
    let sampling = if set.is_empty() { "the provider's own".to_owned() } else { set.join(", ") };
    let amount = |price: &Price| {
        let cached = price.cached_input.map(|cached| format!(", {cached} cached")).unwrap_or_default();
        format!("{} in{cached}, {} out", price.input, price.output)
    };
    let from = &entry.price_from;
    let place = if from.shipped { "shipped" } else { "promptctl.yaml" };
    let day = from.as_of.as_ref().map(|day| format!(", of {day}")).unwrap_or_default();
    // Where the shipped ones are from stands in their table.
    let source = from.source.as_ref().filter(|_| !from.shipped);
    let source = source.map(|source| format!(", {source}")).unwrap_or_default();
    let price = match &entry.price {
        Some(price) => format!("{}{} ({place}{day}{source})", amount(price), tiers(price)),
        None => "not known".to_owned(),
    };
    let known = known_price(&entry.provider, entry.base_url.as_deref(), &entry.model);
    json!({
        "alias": entry.alias, "provider": entry.provider, "model": entry.model, "host": host(entry, &get), "key": key,
        "params": entry.params, "sampling": sampling, "price": price,
        "retires": known.and_then(|row| row.retires.as_ref()),
    })
}

/// What long requests cost, in words.
fn tiers(price: &Price) -> String {
    let tier = |tier: &Tier| format!("; above {} tokens {} in, {} out", tier.above, tier.input, tier.output);
    price.tiers.iter().map(tier).collect()
}

fn prices() -> Vec<Value> {
    known_prices()
        .iter()
        .map(|row| {
            json!({
                "vendor": row.vendor, "model": row.id, "price": row.price(), "context": row.context,
                "max_output": row.max_output, "as_of": row.as_of, "source": row.source, "retires": row.retires,
            })
        })
        .collect()
}
