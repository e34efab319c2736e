/// A text that was read, kept so that an error can show the line it speaks of.
public final class Source: Sendable {
  /// The name errors print: a file's path as the user gave it, or `--set path=value`.
  public let name: String
  /// True for a text given as a command-line option: it has no line worth showing.
  public let isOption: Bool
  let bytes: [UInt8]
  /// The offset of each line's first byte, in rising order; the first is 0.
  private let lineStarts: [Int]

  /// - Parameters:
  ///   - name: the name errors print.
  ///   - bytes: the text; need not be valid UTF-8.
  ///   - isOption: the text came from the command line, so errors name the option and not a line.
  public init(name: String, bytes: [UInt8], isOption: Bool = false) {
    self.name = name
    self.bytes = bytes
    self.isOption = isOption
    var starts = [0]
    for (offset, byte) in bytes.enumerated() where byte == UInt8(ascii: "\n") { starts.append(offset + 1) }
    lineStarts = starts
  }

  /// The index (from 0) of the line that holds the byte at `offset`.
  func lineIndex(at offset: Int) -> Int {
    var low = 0
    var high = lineStarts.count
    while high - low > 1 {
      let middle = (low + high) / 2
      if lineStarts[middle] <= offset { low = middle } else { high = middle }
    }
    return low
  }

  func lineStart(_ index: Int) -> Int { lineStarts[index] }

  /// The bytes of a line without its line end.
  func line(_ index: Int) -> ArraySlice<UInt8> {
    let start = lineStarts[index]
    var end = index + 1 < lineStarts.count ? lineStarts[index + 1] - 1 : bytes.count
    if end > start, bytes[end - 1] == UInt8(ascii: "\r") { end -= 1 }
    return bytes[start..<max(start, end)]
  }
}

/// Where a token stands: its text, the offset of its first byte and its length in bytes.
///
/// Sixteen bytes; line and column are worked out only when somebody asks.
public struct Position: Sendable {
  /// The text; nil for a value built in code.
  public let source: Source?
  private let storedOffset: UInt32
  private let storedLength: UInt32

  /// A place in a text. Places beyond 4 GiB are clamped.
  public init(source: Source?, offset: Int, length: Int) {
    self.source = source
    storedOffset = UInt32(clamping: offset)
    storedLength = UInt32(clamping: length)
  }

  /// The place of a value that was built in code.
  public static let none = Position(source: nil, offset: 0, length: 0)

  /// The offset of the token's first byte.
  public var offset: Int { Int(storedOffset) }
  /// The token's length in bytes.
  public var length: Int { Int(storedLength) }
  /// The line, counted from 1; 0 without a text.
  public var line: Int { source.map { $0.lineIndex(at: offset) + 1 } ?? 0 }

  /// The column in characters (Unicode scalars), counted from 1; 0 without a text.
  public var column: Int {
    guard let source else { return 0 }
    let start = source.lineStart(source.lineIndex(at: offset))
    let end = min(offset, source.bytes.count)
    guard start < end else { return 1 }
    return source.bytes[start..<end].count { $0 & 0xC0 != 0x80 } + 1
  }
}

extension Source: CustomReflectable {
  /// The name alone: debuggers and test reports need not walk through the text byte by byte.
  public var customMirror: Mirror { Mirror(self, children: ["name": name], displayStyle: .class) }
}
