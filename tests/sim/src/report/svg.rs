//! Pictures without a library: lines over percentiles or time, or bars.

use std::fmt::Write as _;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 460.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 180.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 60.0;

/// Told apart by people who see no colours by the dashes.
const COLOURS: [&str; 8] = ["#1b6ca8", "#d1495b", "#3a7d44", "#8d5fd3", "#c77f00", "#00798c", "#6b705c", "#b5179e"];
const DASHES: [&str; 3] = ["", "6 3", "2 3"];

/// A line or a bar.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) name: String,
    /// Ours are thick.
    pub(crate) is_ours: bool,
    pub(crate) points: Vec<(f64, f64)>,
}

/// How an axis is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    Linear,
    /// Powers of ten.
    Log,
    /// 50, 90, 99, 99.9: each nine as wide as the one before.
    Nines,
}

/// An axis.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    pub(crate) label: String,
    pub(crate) scale: Scale,
}

impl Axis {
    fn place(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Linear => value,
            Scale::Log => value.max(1e-3).log10(),
            Scale::Nines => -(1.0 - value / 100.0).max(1e-6).log10(),
        }
    }

    fn ticks(&self, from: f64, until: f64) -> Vec<f64> {
        match self.scale {
            Scale::Nines => vec![50.0, 90.0, 99.0, 99.9],
            Scale::Log => {
                let powers = from.floor() as i32..=until.ceil() as i32;
                let steps = powers.flat_map(|power| [1.0, 2.0, 5.0].map(|step| step * 10f64.powi(power)));
                steps.filter(|value| (from..=until).contains(&value.log10())).collect()
            }
            Scale::Linear => {
                let step = 10f64.powf((until - from).max(1e-9).log10().floor());
                let step = if (until - from) / step < 3.0 { step / 5.0 } else { step };
                (0..=60)
                    .map(|index| (from / step).ceil() * step + f64::from(index) * step)
                    .take_while(|at| *at <= until)
                    .collect()
            }
        }
    }
}

/// Where values lie on the picture.
struct Frame<'a> {
    axes: [&'a Axis; 2],
    from: [f64; 2],
    until: [f64; 2],
}

impl<'a> Frame<'a> {
    fn of(x: &'a Axis, y: &'a Axis, lines: &[Line]) -> Self {
        let points = || lines.iter().flat_map(|line| &line.points).filter(|(_, y)| y.is_finite());
        let range = |values: &mut dyn Iterator<Item = f64>| {
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(from, until), value| (from.min(value), until.max(value)))
        };
        let across = range(&mut points().map(|(at, _)| x.place(*at)));
        let mut up = range(&mut points().map(|(_, value)| y.place(*value)));
        if y.scale == Scale::Linear {
            up = (0.0, up.1.max(1e-3) * 1.05);
        }
        let wide = |(from, until): (f64, f64)| if until > from { (from, until) } else { (from, from + 1.0) };
        let (across, up) = (wide(across), wide(up));
        Self { axes: [x, y], from: [across.0, up.0], until: [across.1, up.1] }
    }

    fn x(&self, value: f64) -> f64 {
        let part = (self.axes[0].place(value) - self.from[0]) / (self.until[0] - self.from[0]);
        LEFT + part * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        let part = (self.axes[1].place(value) - self.from[1]) / (self.until[1] - self.from[1]);
        HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM)
    }

    fn grid(&self, text: &mut String) {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for at in self.axes[0].ticks(self.from[0], self.until[0]) {
            let x = self.x(at);
            let _ = write!(text, r##"<line x1="{x:.1}" y1="{TOP}" x2="{x:.1}" y2="{bottom}" stroke="#ddd"/>"##);
            let _ =
                write!(text, r#"<text x="{x:.1}" y="{:.1}" text-anchor="middle">{}</text>"#, bottom + 18.0, short(at));
        }
        for at in self.axes[1].ticks(self.from[1], self.until[1]) {
            let y = self.y(at);
            let _ = write!(text, r##"<line x1="{LEFT}" y1="{y:.1}" x2="{right}" y2="{y:.1}" stroke="#ddd"/>"##);
            let _ = write!(
                text,
                r#"<text x="{:.1}" y="{:.1}" text-anchor="end">{}</text>"#,
                LEFT - 6.0,
                y + 4.0,
                short(at)
            );
        }
    }
}

/// Lines over an axis.
pub(crate) fn lines(title: &str, x: &Axis, y: &Axis, lines: &[Line]) -> String {
    let frame = Frame::of(x, y, lines);
    let mut text = head(title, &x.label, &y.label);
    frame.grid(&mut text);
    for (index, line) in lines.iter().enumerate() {
        let (colour, dash) = style(index);
        let wide = if line.is_ours { 3.0 } else { 1.4 };
        let stroke = format!(r#"stroke="{colour}" stroke-width="{wide}" stroke-dasharray="{dash}" fill="none""#);
        let seen = line.points.iter().filter(|(_, value)| value.is_finite());
        let points: Vec<_> = seen.map(|(at, value)| format!("{:.1},{:.1}", frame.x(*at), frame.y(*value))).collect();
        let _ = write!(text, r#"<polyline points="{}" {stroke}/>"#, points.join(" "));
        let y = TOP + 10.0 + 20.0 * index as f64;
        let x = WIDTH - RIGHT + 14.0;
        let _ = write!(text, r#"<line x1="{x}" y1="{y}" x2="{:.1}" y2="{y}" {stroke}/>"#, x + 34.0);
        let _ = write!(text, r#"<text x="{:.1}" y="{:.1}">{}</text>"#, x + 42.0, y + 4.0, line.name);
    }
    text + "</svg>\n"
}

/// A bar for each line's only point.
pub(crate) fn bars(title: &str, label: &str, lines: &[Line]) -> String {
    let most = lines.iter().flat_map(|line| &line.points).map(|(_, value)| *value).fold(1e-9, f64::max);
    let mut text = head(title, label, "");
    let step = (HEIGHT - TOP - BOTTOM) / lines.len().max(1) as f64;
    for (index, line) in lines.iter().enumerate() {
        let value = line.points.first().map_or(0.0, |(_, value)| *value);
        let (y, wide) = (TOP + step * index as f64, value / most * (WIDTH - LEFT - RIGHT));
        let colour = if line.is_ours { COLOURS[0] } else { "#9aa5b1" };
        let (bar, middle) = (step * 0.7, y + step * 0.5);
        let _ = write!(
            text,
            r#"<rect x="{:.1}" y="{y:.1}" width="{wide:.1}" height="{bar:.1}" fill="{colour}"/>"#,
            LEFT + 20.0
        );
        let _ = write!(text, r#"<text x="{:.1}" y="{middle:.1}" text-anchor="end">{}</text>"#, LEFT + 14.0, line.name);
        let _ = write!(text, r#"<text x="{:.1}" y="{middle:.1}">{value:.2}</text>"#, LEFT + 26.0 + wide);
    }
    text + "</svg>\n"
}

fn head(title: &str, x: &str, y: &str) -> String {
    let middle = (LEFT + WIDTH - RIGHT) / 2.0;
    let mut text = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12">"#
    );
    text += r#"<rect width="100%" height="100%" fill="white"/>"#;
    let _ = write!(text, r#"<text x="{LEFT}" y="28" font-size="16">{title}</text>"#);
    let _ = write!(text, r#"<text x="{middle}" y="{}" text-anchor="middle">{x}</text>"#, HEIGHT - 16.0);
    let high = HEIGHT / 2.0;
    let _ =
        write!(text, r#"<text transform="rotate(-90 18 {high})" x="18" y="{high}" text-anchor="middle">{y}</text>"#);
    text
}

fn style(index: usize) -> (&'static str, &'static str) {
    (COLOURS[index % COLOURS.len()], DASHES[index / COLOURS.len() % DASHES.len()])
}

/// A number without needless digits.
fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
