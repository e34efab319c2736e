/// How a Swift value stands in the document: the text it comes from, the text it goes to, and the words for both.
///
/// Codecs are made by the functions below and in the files beside this one, and combined: `.list(of: .number(0...1))`.
public struct Codec<Value>: Sendable {
  let shape: Shape
  /// Reads a value; nil if it reported errors.
  let decode: @Sendable (JSON, inout Report) -> Value?
  /// Writes a value; nil leaves the key out.
  let encode: @Sendable (Value) -> JSON?

  init(
    _ shape: Shape, decode: @escaping @Sendable (JSON, inout Report) -> Value?,
    encode: @escaping @Sendable (Value) -> JSON?
  ) {
    self.shape = shape
    self.decode = decode
    self.encode = encode
  }

  /// The same text for another type.
  public func mapped<New>(
    _ make: @escaping @Sendable (Value) -> New, _ unmake: @escaping @Sendable (New) -> Value
  ) -> Codec<New> {
    let (decode, encode) = (decode, encode)
    return Codec<New>(shape) { json, report in
      decode(json, &report).map(make)
    } encode: {
      encode(unmake($0))
    }
  }
}

extension Codec where Value == Bool {
  /// `true` or `false`.
  public static var boolean: Codec {
    let shape = Shape.boolean
    return Codec(shape) { json, report in
      if json.bool == nil { report.refuse(json, expected: shape) }
      return json.bool
    } encode: {
      .bool($0)
    }
  }
}

extension Codec where Value == Int {
  /// A whole number.
  public static func integer(_ allowed: some BoundsConvertible<Int>, unit: String = "") -> Codec {
    let bounds = allowed.bounds
    let shape = Shape.integer(bounds, unit: unit)
    return Codec(shape) { json, report in
      guard let integer = json.int, bounds.contains(integer) else {
        if let double = json.double, double.isFinite, json.int == nil, double == double.rounded() {
          report.refuse(json, "\(brief(double)) does not fit 64 bits, expected \(shape.phrase)")
        } else {
          report.refuse(json, expected: shape)
        }
        return nil
      }
      return integer
    } encode: {
      .integer($0)
    }
  }

  /// Any whole number.
  public static var integer: Codec { integer(Bounds<Int>()) }
}

extension Codec where Value == UInt64 {
  /// A whole number from 0 to 2^63 − 1, as seeds are.
  public static var seed: Codec { Codec<Int>.integer(0...).mapped({ UInt64($0) }, { Int(clamping: $0) }) }
}

extension Codec where Value == Double {
  /// A finite number.
  ///
  /// - Parameters:
  ///   - allowed: what physics or mathematics allow.
  ///   - unit: the SI unit by name: `"ohm"`.
  ///   - usual: what people use. A value more than ten times beyond it is accepted with a warning, which tries to say
  ///     what happened (ohms instead of siemens, milli- instead of the unit itself).
  public static func number(
    _ allowed: some BoundsConvertible<Double>, unit: String = "", usual: ClosedRange<Double>? = nil
  ) -> Codec {
    let bounds = allowed.bounds
    let shape = Shape.number(bounds, unit: unit, usual: usual)
    return Codec(shape) { json, report in
      guard let double = json.double, double.isFinite, bounds.contains(double) else {
        report.refuse(json, expected: shape)
        return nil
      }
      if let usual { warnIfUnusual(double, usual: usual, unit: unit, at: json, &report) }
      return double
    } encode: {
      .number($0)
    }
  }

  /// Any finite number.
  public static func number(unit: String = "", usual: ClosedRange<Double>? = nil) -> Codec {
    number(Bounds<Double>(), unit: unit, usual: usual)
  }
}

extension Codec where Value == Float {
  /// A finite number kept in single precision; written as the shortest decimal that reads back to it.
  public static func number(
    _ allowed: some BoundsConvertible<Double>, unit: String = "", usual: ClosedRange<Double>? = nil
  ) -> Codec {
    Codec<Double>.number(allowed, unit: unit, usual: usual).mapped(
      { Float($0) }, { Double($0.description) ?? Double($0) })
  }
}

extension Codec where Value == String {
  /// A text.
  public static var text: Codec {
    let shape = Shape.text
    return Codec(shape) { json, report in
      if json.string == nil { report.refuse(json, expected: shape) }
      return json.string
    } encode: {
      .string($0)
    }
  }

  /// One of some names, which may be known only at run time.
  public static func choice(_ names: [String]) -> Codec {
    let shape = Shape.choice(names)
    return Codec(shape) { json, report in
      readChoice(json, of: names, shape, &report)
    } encode: {
      .string($0)
    }
  }
}

extension Codec where Value: RawRepresentable & CaseIterable & Sendable, Value.RawValue == String {
  /// One of an enumeration's cases, by its raw value.
  public static var choice: Codec {
    let names = Value.allCases.map(\.rawValue)
    let shape = Shape.choice(names)
    return Codec(shape) { json, report in
      readChoice(json, of: names, shape, &report).flatMap { Value(rawValue: $0) }
    } encode: {
      .string($0.rawValue)
    }
  }
}

extension Codec where Value == JSON {
  /// Anything: kept as it is.
  public static var any: Codec {
    Codec(.any) { json, _ in
      json
    } encode: {
      $0
    }
  }

  /// Some of the members of what `codec` reads, to be laid over a complete one later (``JSON/merging(_:)``).
  ///
  /// Names and values are checked now; nothing is required, and checks between fields wait for the whole. A patch of a
  /// tagged union may leave out the tag: then it is checked against the variant that has most of its keys.
  public static func patch<Whole>(of codec: Codec<Whole>) -> Codec {
    Codec(.patch(codec.shape)) { json, report in
      report.partially(true) { codec.decode(json, &$0) } == nil ? nil : json
    } encode: {
      $0
    }
  }
}

func readChoice(_ json: JSON, of names: [String], _ shape: Shape, _ report: inout Report) -> String? {
  guard let name = json.string, names.contains(name) else {
    let near = json.string.flatMap { nearest(to: $0, among: names) }
    report.refuse(json, expected: shape, hint: near.map { "did you mean \(quoted($0))?" } ?? "")
    return nil
  }
  return name
}

/// `100e3 where 1e-7 … 1e-3 siemens is usual: ohms instead of siemens?`
private func warnIfUnusual(
  _ value: Double, usual: ClosedRange<Double>, unit: String, at json: JSON, _ report: inout Report
) {
  let slack = usual.lowerBound >= 0 ? 10.0 : 1.0
  // Zero switches an effect off; that is no slip.
  guard value != 0, value < usual.lowerBound / slack || value > usual.upperBound * (usual.upperBound > 0 ? 10 : 1)
  else { return }
  let reciprocals = ["ohm": "siemens", "siemens": "ohm", "second": "hertz", "hertz": "second"]
  let prefixes = [(1e-3, "milli"), (1e3, "kilo"), (1e-6, "micro"), (1e6, "mega"), (1e-9, "nano"), (1e9, "giga")]
  var guess = ""
  if let other = reciprocals[unit], usual.contains(1 / value) {
    guess = "\(other) instead of \(unit)?"
  } else if !unit.isEmpty, let prefix = prefixes.first(where: { usual.contains(value * $0.0) }) {
    guess = "\(prefix.1)\(unit) instead of \(unit)?"
  }
  let range = "\(brief(usual.lowerBound)) … \(brief(usual.upperBound))\(unit.isEmpty ? "" : " \(unit)")"
  report.warn(json, "\(brief(value)) where \(range) is usual", hint: guess)
}
