//! Elements, made and changed with as little as possible.
//!
//! The page is drawn from one value some times a second, so it needs no framework: each part makes its elements once and
//! afterwards says what they should show. [`El::say`] and its like touch the document only where something changed, so
//! that selections, focus and screen readers are left in peace.

use wasm_bindgen::JsCast as _;
use web_sys::{
    CanvasRenderingContext2d, Document, Element, Event, HtmlCanvasElement, HtmlElement, HtmlInputElement,
    window,
};

use crate::listen::Listener;

/// An element. Copies are the same element.
#[derive(Clone)]
pub(crate) struct El(HtmlElement);

/// A new element.
///
/// # Panics
/// Outside of a page, or if `tag` is no name of an element.
pub(crate) fn el(tag: &str) -> El {
    El(document().create_element(tag).expect("the tags of this page are names of elements").unchecked_into())
}

/// A new element of a drawing. Its class is an attribute like any other: [`El::class`] and [`El::show_if`] are for HTML.
///
/// # Panics
/// Outside of a page.
pub(crate) fn svg(tag: &str) -> El {
    let made = document().create_element_ns(Some("http://www.w3.org/2000/svg"), tag);
    El(made.expect("the tags of this page are names of elements").unchecked_into())
}

/// A new element of a class, with a text.
pub(crate) fn told(tag: &str, class: &str, text: &str) -> El {
    el(tag).class(class).text(text)
}

/// The element with this id in `index.html`, if it is there.
pub(crate) fn by_id(id: &str) -> Option<El> {
    Some(El(document().get_element_by_id(id)?.unchecked_into()))
}

/// The page's body, for what is dropped anywhere.
///
/// # Panics
/// Outside of a page.
pub(crate) fn body() -> El {
    El(document().body().expect("a page has a body"))
}

/// The value of a property of the style sheet that is set for the whole page, such as `--ink`.
pub(crate) fn style_value(name: &str) -> String {
    let root = document().document_element();
    let style = root.and_then(|root| window()?.get_computed_style(&root).ok().flatten());
    style.and_then(|style| style.get_property_value(name).ok()).unwrap_or_default().trim().to_owned()
}

/// The root element's attribute `data-…`, for the style sheet and for tests.
pub(crate) fn set_root_data(name: &str, value: &str) {
    if let Some(root) = document().document_element() {
        set_attribute(&root, &["data-", name].concat(), value);
    }
}

/// Loads the page again.
pub(crate) fn reload() {
    if let Some(window) = window() {
        let _ = window.location().reload();
    }
}

/// The page's document.
pub(crate) fn document() -> Document {
    window().and_then(|window| window.document()).expect("a page has a document")
}

fn set_attribute(element: &Element, name: &str, value: &str) {
    if element.get_attribute(name).as_deref() != Some(value) {
        // Fails only for what is no name of an attribute.
        let _ = element.set_attribute(name, value);
    }
}

impl El {
    /// With a class, or several.
    pub(crate) fn class(self, class: &str) -> Self {
        self.0.set_class_name(class);
        self
    }

    /// With an id.
    pub(crate) fn id(self, id: &str) -> Self {
        self.0.set_id(id);
        self
    }

    /// With an attribute.
    pub(crate) fn attr(self, name: &str, value: &str) -> Self {
        set_attribute(&self.0, name, value);
        self
    }

    /// With a text after what it holds already.
    pub(crate) fn text(self, text: &str) -> Self {
        let _ = self.0.append_with_str_1(text);
        self
    }

    /// With these children after what it holds already.
    pub(crate) fn with(self, children: &[&Self]) -> Self {
        for child in children {
            let _ = self.0.append_child(&child.0);
        }
        self
    }

    /// With a reaction to an event, for as long as the page lives.
    pub(crate) fn on(self, event: &'static str, react: impl FnMut(Event) + 'static) -> Self {
        std::mem::forget(self.listen(event, react));
        self
    }

    /// Reacts to an event until the listener is dropped.
    pub(crate) fn listen(&self, event: &'static str, react: impl FnMut(Event) + 'static) -> Listener {
        Listener::new(&self.0, event, react)
    }

    /// Shows this text and nothing else.
    pub(crate) fn say(&self, text: &str) {
        if self.0.text_content().as_deref() != Some(text) {
            self.0.set_text_content(Some(text));
        }
    }

    /// Shows this text, or is hidden if there is none.
    pub(crate) fn say_if(&self, text: Option<&str>) {
        self.show_if(text.is_some());
        self.say(text.unwrap_or_default());
    }

    /// Holds this markup, which must come from this program alone.
    pub(crate) fn markup(&self, html: &str) {
        self.0.set_inner_html(html);
    }

    /// Has this value in an attribute.
    pub(crate) fn set(&self, name: &str, value: &str) {
        set_attribute(&self.0, name, value);
    }

    /// What it has in an attribute.
    pub(crate) fn attribute(&self, name: &str) -> Option<String> {
        self.0.get_attribute(name)
    }

    /// Remembers in an attribute what it shows. Whether that is new.
    pub(crate) fn is_new(&self, name: &str, value: &str) -> bool {
        let new = self.0.get_attribute(name).as_deref() != Some(value);
        self.set(name, value);
        new
    }

    /// Has this value in a property of the style sheet, such as `--h`.
    pub(crate) fn style(&self, name: &str, value: &str) {
        let style = self.0.style();
        if style.get_property_value(name).as_deref() != Ok(value) {
            let _ = style.set_property(name, value);
        }
    }

    /// Is shown, or hidden.
    pub(crate) fn show_if(&self, shown: bool) {
        if self.0.hidden() == shown {
            self.0.set_hidden(!shown);
        }
    }

    /// May be used, or not (buttons and inputs).
    pub(crate) fn enable_if(&self, enabled: bool) {
        if self.is_enabled() != enabled {
            let _ = self.0.toggle_attribute_with_force("disabled", !enabled);
        }
    }

    /// Whether it may be used.
    pub(crate) fn is_enabled(&self) -> bool {
        !self.0.has_attribute("disabled")
    }

    /// What was typed or chosen (inputs).
    pub(crate) fn value(&self) -> String {
        self.0.unchecked_ref::<HtmlInputElement>().value()
    }

    /// Is the chosen one of its group (radio buttons).
    pub(crate) fn check(&self) {
        self.0.unchecked_ref::<HtmlInputElement>().set_checked(true);
    }

    /// With a value to begin with (inputs).
    pub(crate) fn with_value(self, value: &str) -> Self {
        self.0.unchecked_ref::<HtmlInputElement>().set_value(value);
        self
    }

    /// Has the focus.
    pub(crate) fn focus(&self) {
        let _ = self.0.focus();
    }

    /// Has the focus and all of its text selected (inputs).
    pub(crate) fn select(&self) {
        self.focus();
        self.0.unchecked_ref::<HtmlInputElement>().select();
    }

    /// How wide it is now, in pixels of the style sheet; 0 while it is not shown.
    pub(crate) fn width(&self) -> i32 {
        self.0.client_width()
    }

    /// Something to paint with on an empty canvas of this size, in pixels of the style sheet (canvases).
    pub(crate) fn brush(&self, width: u32, height: u32) -> Option<CanvasRenderingContext2d> {
        let canvas: &HtmlCanvasElement = self.0.unchecked_ref();
        let scale = window().map_or(1.0, |window| window.device_pixel_ratio()).max(1.0);
        canvas.set_width((f64::from(width) * scale) as u32);
        canvas.set_height((f64::from(height) * scale) as u32);
        self.style("width", &[&width.to_string(), "px"].concat());
        self.style("height", &[&height.to_string(), "px"].concat());
        let brush: CanvasRenderingContext2d = canvas.get_context("2d").ok()??.unchecked_into();
        brush.scale(scale, scale).ok()?;
        Some(brush)
    }

    /// Whether that element is somewhere in it.
    pub(crate) fn has(&self, element: &Element) -> bool {
        self.0.contains(Some(element))
    }

    /// Is pressed, as if by the person.
    pub(crate) fn click(&self) {
        self.0.click();
    }

    /// Is scrolled to, if it is out of sight.
    pub(crate) fn bring_into_view(&self) {
        let rect = self.0.get_bounding_client_rect();
        if rect.top() < 0.0 {
            self.0.scroll_into_view();
        }
    }

    /// Is taken out of the page.
    pub(crate) fn remove(&self) {
        self.0.remove();
    }

    /// Holds these children and nothing else, in this order; touched only where they differ.
    pub(crate) fn hold<'a>(&self, children: impl Iterator<Item = &'a Self>) {
        let mut next = self.0.first_child();
        for child in children {
            let node: &web_sys::Node = &child.0;
            if next.as_ref() == Some(node) {
                next = node.next_sibling();
            } else {
                let _ = self.0.insert_before(node, next.as_ref());
            }
        }
        while let Some(left_over) = next {
            next = left_over.next_sibling();
            let _ = self.0.remove_child(&left_over);
        }
    }
}
