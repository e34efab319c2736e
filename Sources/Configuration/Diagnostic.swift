/// One complaint about a text: where, what was found, what was expected.
///
/// ```
/// lenet5.json:9:33  hardware.device.onResistence: unknown key
///    9 |     "device": { "onResistence": 1e5, "offResistance": 1e6 },
///      |                 ^^^^^^^^^^^^^^ did you mean "onResistance" (ohm, 1 … 1e12)?
/// ```
public struct Diagnostic: Error, Sendable, CustomStringConvertible {
  /// Whether the text is refused or merely suspicious.
  public enum Severity: Sendable {
    /// The text is refused.
    case error
    /// The text is accepted, but probably not what was meant.
    case warning
  }

  /// Whether the text is refused or merely suspicious.
  public var severity: Severity
  /// The place in the document, components joined by dots (`stages.0.train.epochs`); empty for the text itself.
  public var path: String
  /// What was found, in one sentence without a full stop.
  public var message: String
  /// What to do about it; stands beside the caret. May be empty.
  public var hint: String
  /// The token in question.
  public var position: Position

  /// A complaint about `path` at `position`.
  public init(
    _ message: String, hint: String = "", path: String = "", at position: Position = .none, severity: Severity = .error
  ) {
    self.message = message
    self.hint = hint
    self.path = path
    self.position = position
    self.severity = severity
  }

  /// The first line alone: place, path and sentence.
  public var headline: String {
    var text = ""
    if let source = position.source {
      text += source.isOption ? "\(source.name)  " : "\(source.name):\(position.line):\(position.column)  "
    }
    if severity == .warning { text += "warning: " }
    if !path.isEmpty { text += "\(path): " }
    return text + message
  }

  /// The headline, the line of the text, and the caret with the hint.
  public var description: String {
    guard let source = position.source, !source.isOption else {
      return hint.isEmpty ? headline : "\(headline); \(hint)"
    }
    let index = source.lineIndex(at: position.offset)
    let excerpt = Excerpt(
      of: source.line(index), from: position.offset - source.lineStart(index), length: position.length)
    let number = String(index + 1)
    let gutter = String(repeating: " ", count: max(0, 4 - number.count))
    let blank = String(repeating: " ", count: max(4, number.count))
    var text = "\(headline)\n\(gutter)\(number) | \(excerpt.text)\n\(blank) | \(excerpt.carets)"
    if !hint.isEmpty { text += " \(hint)" }
    return text
  }
}

/// A line of a text cut to a readable width around a token, and the carets beneath it.
private struct Excerpt {
  let text: String
  let carets: String

  /// Lines longer than this are cut (a whole configuration may stand on one line).
  private static let width = 110

  init(of line: ArraySlice<UInt8>, from start: Int, length: Int) {
    let before = min(max(0, start), line.count)
    let token = min(max(0, length), line.count - before)
    // Only a window of bytes is ever decoded, so that an error in a line of a gigabyte costs nothing.
    let head = Self.characters(line.prefix(before).suffix(4 * Self.width))
    let middle = Self.characters(line.dropFirst(before).prefix(token).prefix(4 * Self.width)).prefix(Self.width - 30)
    let tail = Self.characters(line.dropFirst(before + token).prefix(4 * Self.width))
    let shownHead = head.suffix(max(20, Self.width - middle.count - tail.count))
    let shownTail = tail.prefix(max(0, Self.width - middle.count - shownHead.count))
    let cutHead = shownHead.count < head.count ? "…" : ""
    let cutTail = shownTail.count < tail.count ? "…" : ""
    text = cutHead + String(shownHead) + String(middle) + String(shownTail) + cutTail
    carets =
      String(repeating: " ", count: shownHead.unicodeScalars.count + cutHead.unicodeScalars.count)
      + String(repeating: "^", count: max(1, middle.unicodeScalars.count))
  }

  /// Decodes bytes, repairing what is not UTF-8; tabs and control characters become spaces, so that columns line up.
  private static func characters(_ bytes: ArraySlice<UInt8>) -> [Character] {
    String(decoding: bytes, as: UTF8.self).unicodeScalars.map { $0.value < 0x20 ? " " : Character($0) }
  }
}

extension Sequence<Character> {
  fileprivate var unicodeScalars: [Unicode.Scalar] { flatMap { $0.unicodeScalars } }
}
