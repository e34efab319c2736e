/// One of the forms a value may be written in (see ``Codec/either(_:)``).
public struct Form<Value>: Sendable {
  let shape: Shape
  /// The word, if the form is one.
  let word: String?
  let decode: @Sendable (JSON, inout Report) -> Value?
  let encode: @Sendable (Value) -> JSON?

  /// A word that stands for one value: `"auto"`.
  public static func word(_ word: String, _ value: Value) -> Form where Value: Equatable & Sendable {
    Form(shape: .choice([word]), word: word) { json, _ in
      json.string == word ? value : nil
    } encode: {
      $0 == value ? .string(word) : nil
    }
  }

  /// What another codec reads.
  ///
  /// - Parameters:
  ///   - codec: reads and writes the form.
  ///   - wrap: makes the value.
  ///   - unwrap: takes it apart; nil if the value is of another form.
  public static func form<Inner>(
    _ codec: Codec<Inner>, _ wrap: @escaping @Sendable (Inner) -> Value,
    unwrap: @escaping @Sendable (Value) -> Inner?
  ) -> Form {
    Form(shape: codec.shape, word: nil) { json, report in
      codec.decode(json, &report).map(wrap)
    } encode: {
      unwrap($0).flatMap(codec.encode)
    }
  }
}

extension Codec {
  /// One of several forms: a number or `"auto"`; true, a number, or a list.
  ///
  /// The kind of JSON value decides; where several forms share a kind, the first that reads without an error.
  public static func either(_ forms: Form<Value>...) -> Codec {
    let shape = Shape.union(forms.map(\.shape))
    return Codec(shape) { json, report in
      let words = forms.compactMap(\.word)
      let candidates = forms.filter { $0.shape.accepts(json) && ($0.word == nil || $0.word == json.string) }
      var firstTrial: Report?
      for form in candidates {
        let (value, trial) = report.attempt { form.decode(json, &$0) }
        if let value, trial.errors.isEmpty {
          report.take(trial)
          return value
        }
        firstTrial = firstTrial ?? trial
      }
      if let firstTrial {
        report.take(firstTrial)
      } else {
        let near = json.string.flatMap { nearest(to: $0, among: words) }
        report.refuse(json, expected: shape, hint: near.map { "did you mean \(quoted($0))?" } ?? "")
      }
      return nil
    } encode: { value in
      for form in forms { if let json = form.encode(value) { return json } }
      return nil
    }
  }
}

/// The variant that has most of these keys; among equals the one that has most keys spelt nearly so, or most keys.
private func likeliest<Value>(of variants: [Variant<Value>], for keys: [String]) -> String? {
  let scored = variants.map { variant in
    let names = variant.object.entries().map(\.name)
    return (
      name: variant.name, exact: keys.count { names.contains($0) },
      near: keys.count { nearest(to: $0, among: names) != nil }, size: names.count
    )
  }
  return scored.max { ($0.exact, $0.near, $0.size) < ($1.exact, $1.near, $1.size) }?.name
}

/// One of the objects a tagged union chooses from.
public struct Variant<Value>: Sendable {
  let name: String
  let object: ObjectReference
  let read: @Sendable (JSON, _ tag: String?, inout Report) -> Value?
  /// nil if the value is of another variant.
  let write: @Sendable (Value) -> JSON?

  /// A variant.
  ///
  /// ```swift
  /// Variant("crossbar", CrossbarHardware.self) { $0 }           // Value is `any Hardware`
  /// Variant("digital", Digital.self, Hardware.digital) {         // Value is an enum
  ///   if case .digital(let body) = $0 { body } else { nil }
  /// }
  /// ```
  ///
  /// - Parameters:
  ///   - name: the tag, or the key.
  ///   - body: the object's type; its documentation describes the variant.
  ///   - wrap: makes the union's value of the object.
  ///   - unwrap: takes it apart; nil if the value is of another variant.
  public init<Body: Configurable>(
    _ name: String, _ body: Body.Type, _ wrap: @escaping @Sendable (Body) -> Value,
    unwrap: @escaping @Sendable (Value) -> Body? = { $0 as? Body }
  ) {
    self.name = name
    object = Body.reference
    read = { json, tag, report in Body.read(json, beside: tag, &report).map(wrap) }
    write = { unwrap($0)?.resolved }
  }
}

extension Codec {
  /// A choice among objects by the value of one key: `{ "kind": "crossbar", "rows": 64 }`.
  ///
  /// - Parameters:
  ///   - name: names the choice in the schema.
  ///   - key: the key that chooses.
  ///   - defaultName: the variant if the key is missing; without it, the key is required.
  ///   - shorthand: whether `"cosine"` may be written for `{ "kind": "cosine" }`.
  ///   - variants: all there are. A new one is added to this list and nowhere else.
  public static func tagged(
    _ name: String, by key: String = "kind", default defaultName: String? = nil, shorthand: Bool = false,
    _ variants: @escaping @Sendable @autoclosure () -> [Variant<Value>]
  ) -> Codec {
    let reference = TaggedReference(name: name, key: key, defaultName: defaultName, hasShorthand: shorthand) {
      variants().map { VariantShape(name: $0.name, object: $0.object) }
    }
    let shape = Shape.tagged(reference)
    return Codec(shape) { json, report in
      var json = json
      if shorthand, json.string != nil {
        json = JSON(.object([JSON.Member(key, json, at: json.position)]), at: json.position)
      }
      guard let members = json.members else {
        report.refuse(json, expected: shape)
        return nil
      }
      let variants = variants()
      let names = variants.map(\.name)
      var chosen = defaultName
      if let tag = json[key] {
        chosen = report.inside(key, of: tag) { readChoice(tag, of: names, .choice(names), &$0) }
        if chosen == nil { return nil }
      } else if report.isPartial {
        chosen = likeliest(of: variants, for: members.map(\.key))
      }
      guard let variant = variants.first(where: { $0.name == chosen }) else {
        report.refuse(json, "lacks the key \(quoted(key))", hint: "expected one of \(listed(names))")
        return nil
      }
      return variant.read(json, key, &report)
    } encode: { value in
      for variant in variants() {
        if let body = variant.write(value) {
          return JSON(.object([JSON.Member(key, .string(variant.name))] + (body.members ?? [])))
        }
      }
      return nil
    }
  }
}
