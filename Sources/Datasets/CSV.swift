/// A table of texts with a line of column names.
public struct CSVTable: Equatable, Sendable {
  /// The names of the columns.
  public var header: [String]
  /// The rows below; each has as many fields as the header.
  public var rows: [[String]]

  public init(header: [String], rows: [[String]] = []) {
    self.header = header
    self.rows = rows
  }

  /// The fields of the column called `column`, nil if there is none.
  public func column(_ column: String) -> [String]? {
    guard let index = header.firstIndex(of: column) else { return nil }
    return rows.map { $0[index] }
  }

  /// The numbers of the column called `column`.
  /// - Parameter name: what the sentence calls the table.
  /// - Throws: `DataError` if there is no such column or a field is not a number.
  public func numbers(_ column: String, name: String) throws -> [Double] {
    guard let fields = self.column(column) else {
      throw DataError("\(name): has no column \"\(column)\", it has \(header.joined(separator: ", "))")
    }
    return try fields.enumerated().map { index, field in
      guard let number = Double(field) else {
        throw DataError("\(name): row \(index + 1), column \(column): \"\(field)\" was found, a number was expected")
      }
      return number
    }
  }
}

/// Comma-separated values (RFC 4180): fields may be quoted, quotes are doubled, quoted fields may hold line ends.
///
/// Lines are written with LF, which every tool reads, or with the RFC's CRLF when asked; both are read.
public enum CSV {
  /// How written lines end.
  public enum LineEnding: Sendable { case lf, crlf }

  /// Reads the file at `path`.
  /// - Throws: `DataError` as `FileBytes.read` and `parse` do.
  public static func read(_ path: String) throws -> CSVTable { try parse(FileBytes.read(path), name: path) }

  /// Reads a table from memory; a UTF-8 byte order mark is passed over.
  /// - Parameter name: what sentences call the file.
  /// - Throws: `DataError` naming the line if a row has more or fewer fields than the header, a quote stands where none
  ///   may, a quoted field does not end, or a field is not UTF-8; also if there is no header.
  public static func parse(_ bytes: [UInt8], name: String) throws -> CSVTable {
    var records = try bytes.withUnsafeBytes { raw in
      var parser = CSVParser(raw, name: name)
      return try parser.records()
    }
    guard !records.isEmpty else {
      throw DataError("\(name): is empty, a table with a line of column names was expected")
    }
    let header = records.removeFirst()
    return CSVTable(header: header, rows: records)
  }

  /// The bytes of a table.
  /// - Precondition: every row has as many fields as the header, and that is at least one.
  public static func encode(_ table: CSVTable, lineEnding: LineEnding = .lf) -> [UInt8] {
    precondition(!table.header.isEmpty, "a table needs a column")
    var text = ""
    for (index, row) in ([table.header] + table.rows).enumerated() {
      precondition(row.count == table.header.count, "row \(index) has \(row.count) fields, not \(table.header.count)")
      text += row.map(quotedIfNeeded).joined(separator: ",")
      text += lineEnding == .lf ? "\n" : "\r\n"
    }
    return Array(text.utf8)
  }

  /// Writes `table` durably to `path`.
  /// - Throws: `DataError` as `DurableFile.write` does.
  public static func write(
    _ table: CSVTable, to path: String, lineEnding: LineEnding = .lf, isLast: Bool = true
  ) throws {
    try DurableFile.write(encode(table, lineEnding: lineEnding), to: path, isLast: isLast)
  }

  /// The shortest text that reads back as exactly `value`; "nan", "inf", "-inf" where it is not finite.
  public static func number(_ value: Double) -> String { value.isNaN ? "nan" : value.description }

  /// The shortest text that reads back as exactly `value`.
  public static func number(_ value: Float) -> String { value.isNaN ? "nan" : value.description }

  /// One line of a table, with its line end.
  public static func line(_ fields: [String]) -> String {
    fields.map(quotedIfNeeded).joined(separator: ",") + "\n"
  }

  private static func quotedIfNeeded(_ field: String) -> String {
    let special = field.utf8.contains { $0 == 0x22 || $0 == 0x2c || $0 == 0x0a || $0 == 0x0d }
    // A byte order mark in front of the first field would be taken for the file's; an empty single field for no field.
    guard special || field.isEmpty || field.unicodeScalars.first == "\u{feff}" else { return field }
    return "\"" + String(decoding: field.utf8.flatMap { $0 == 0x22 ? [0x22, 0x22] : [$0] }, as: UTF8.self) + "\""
  }
}

private struct CSVParser {
  let bytes: UnsafeRawBufferPointer
  let name: String
  var at: Int
  var line = 1

  init(_ bytes: UnsafeRawBufferPointer, name: String) {
    self.bytes = bytes
    self.name = name
    at = bytes.starts(with: [0xef, 0xbb, 0xbf]) ? 3 : 0
  }

  mutating func records() throws -> [[String]] {
    var records: [[String]] = []
    while at < bytes.count {
      let start = line
      let record = try self.record()
      if let columns = records.first?.count, record.count != columns {
        throw DataError("\(name): line \(start) has \(record.count) fields, the header has \(columns)")
      }
      records.append(record)
    }
    return records
  }

  private mutating func record() throws -> [String] {
    var fields: [String] = []
    while true {
      fields.append(try at < bytes.count && bytes[at] == 0x22 ? quoted() : plain())
      guard at < bytes.count else { return fields }
      switch bytes[at] {
      case 0x2c: at += 1
      case 0x0a:
        at += 1
        line += 1
        return fields
      case 0x0d where at + 1 < bytes.count && bytes[at + 1] == 0x0a:
        at += 2
        line += 1
        return fields
      default: throw failure("byte \(bytes[at]) was found after a field, a comma or the end of the line was expected")
      }
    }
  }

  private mutating func plain() throws -> String {
    let start = at
    while at < bytes.count, bytes[at] != 0x2c, bytes[at] != 0x0a, bytes[at] != 0x0d {
      if bytes[at] == 0x22 { throw failure("a quote stands inside a field that does not begin with one") }
      at += 1
    }
    return try text(UnsafeRawBufferPointer(rebasing: bytes[start..<at]))
  }

  private mutating func quoted() throws -> String {
    let start = line
    var content: [UInt8] = []
    at += 1
    while at < bytes.count {
      let byte = bytes[at]
      at += 1
      if byte == 0x22 {
        guard at < bytes.count, bytes[at] == 0x22 else { return try content.withUnsafeBytes { try text($0) } }
        at += 1
      }
      if byte == 0x0a { line += 1 }
      content.append(byte)
    }
    throw DataError("\(name): a quoted field that begins in line \(start) does not end")
  }

  private func text(_ content: UnsafeRawBufferPointer) throws -> String {
    guard let text = String(validating: content, as: UTF8.self) else { throw failure("a field is not UTF-8 text") }
    return text
  }

  private func failure(_ sentence: String) -> DataError { DataError("\(name): line \(line): \(sentence)") }
}
