extension Codec {
  /// A list; Swift's array.
  public static func list<Element>(of codec: Codec<Element>) -> Codec where Value == [Element] {
    list(of: codec, count: Bounds<Int>())
  }

  /// A list of so many items; Swift's array.
  public static func list<Element>(
    of codec: Codec<Element>, count: some BoundsConvertible<Int>
  ) -> Codec where Value == [Element] {
    let count = count.bounds
    let shape = Shape.list(codec.shape, count: count)
    return Codec(shape) { json, report in
      guard let items = json.array else {
        report.refuse(json, expected: shape)
        return nil
      }
      guard count.contains(items.count) else {
        report.refuse(json, "found a list of \(items.count), expected \(shape.phrase)")
        return nil
      }
      var result: [Element] = []
      result.reserveCapacity(items.count)
      for (index, item) in items.enumerated() {
        // A list in a patch replaces the list beneath, so its items must be whole.
        let element = report.inside(String(index), of: item) { report in
          report.partially(false) { codec.decode(item, &$0) }
        }
        if let element { result.append(element) }
      }
      return result.count == items.count ? result : nil
    } encode: {
      .array($0.compactMap(codec.encode))
    }
  }

  /// One value, or a list of such values: `5` is `[5]`. Written as a list.
  public static func oneOrList<Element>(of codec: Codec<Element>) -> Codec where Value == [Element] {
    let many = Codec.list(of: codec, count: 1...)
    return Codec(.union([codec.shape, many.shape])) { json, report in
      if json.array != nil { return many.decode(json, &report) }
      guard codec.shape.accepts(json) else {
        report.refuse(json, expected: .union([codec.shape, many.shape]))
        return nil
      }
      return codec.decode(json, &report).map { [$0] }
    } encode: {
      many.encode($0)
    }
  }

  /// An object with keys of the user's choice; Swift's dictionary. Written in the order of its keys.
  public static func map<Element>(of codec: Codec<Element>) -> Codec where Value == [String: Element] {
    Codec<[(key: String, value: Element)]>.orderedMap(of: codec).mapped(
      { Dictionary($0.map { ($0.key, $0.value) }, uniquingKeysWith: { first, _ in first }) },
      { $0.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }.map { ($0.key, $0.value) } })
  }

  /// An object with keys of the user's choice, whose order is kept: pairs.
  public static func orderedMap<Element>(
    of codec: Codec<Element>
  ) -> Codec where Value == [(key: String, value: Element)] {
    let shape = Shape.map(codec.shape)
    return Codec(shape) { json, report in
      guard let members = json.members else {
        report.refuse(json, expected: shape)
        return nil
      }
      var result: Value = []
      for member in members {
        if let element = report.inside(member.key, of: member.value, { codec.decode(member.value, &$0) }) {
          result.append((member.key, element))
        }
      }
      return result.count == members.count ? result : nil
    } encode: { pairs in
      .object(pairs.compactMap { pair in codec.encode(pair.value).map { (pair.key, $0) } })
    }
  }

  /// A value that may be missing: nil leaves the key out, and `null` reads as nil.
  public static func optional<Wrapped>(_ codec: Codec<Wrapped>) -> Codec where Value == Wrapped? {
    Codec(.optional(codec.shape)) { json, report in
      json.isNull ? .some(.none) : codec.decode(json, &report).map { .some($0) }
    } encode: {
      $0.flatMap(codec.encode)
    }
  }
}
