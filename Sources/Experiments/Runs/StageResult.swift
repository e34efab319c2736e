import Configuration

/// What one stage found for one model; an entry of result.json's "stages".
public struct StageResult: Sendable {
  public var stage: String
  public var label: String
  /// Empty for a stage without a model.
  public var model: String
  public var metrics: [(name: String, value: Double)] = []
  /// One value for each epoch, or whatever the stage counts, by name.
  public var series: [(name: String, values: [Double])] = []
  /// Column names and rows, by name.
  public var tables: [(name: String, columns: [String], rows: [[JSON]])] = []

  var json: JSON {
    .object([
      ("stage", .string(stage)), ("label", .string(label)), ("model", .string(model)),
      ("metrics", .object(metrics.map { ($0.name, .number($0.value)) })),
      ("series", .object(series.map { ($0.name, .array($0.values.map { .number($0) })) })),
      (
        "tables",
        .object(
          tables.map {
            (
              $0.name,
              .object([
                ("columns", .array($0.columns.map { .string($0) })), ("rows", .array($0.rows.map { .array($0) })),
              ])
            )
          })
      ),
    ])
  }

  init(stage: String, label: String, model: String) {
    (self.stage, self.label, self.model) = (stage, label, model)
  }

  /// Reads back what `json` wrote; keys it does not know are passed over.
  init?(_ json: JSON) {
    guard let stage = json["stage"]?.string, let label = json["label"]?.string, let model = json["model"]?.string else {
      return nil
    }
    self.init(stage: stage, label: label, model: model)
    metrics = (json["metrics"]?.members ?? []).map { ($0.key, $0.value.double ?? .nan) }
    series = (json["series"]?.members ?? []).map { ($0.key, ($0.value.array ?? []).map { $0.double ?? .nan }) }
    tables = (json["tables"]?.members ?? []).map { m in
      (
        m.key, (m.value["columns"]?.array ?? []).compactMap(\.string),
        (m.value["rows"]?.array ?? []).map { $0.array ?? [] }
      )
    }
  }

  /// Adds a row to a table, which is made when it is not there.
  mutating func append(_ row: [JSON], to name: String, columns: [String]) {
    if let i = tables.firstIndex(where: { $0.name == name }) {
      tables[i].rows.append(row)
    } else {
      tables.append((name, columns, [row]))
    }
  }

  mutating func append(_ value: Double, to name: String) {
    if let i = series.firstIndex(where: { $0.name == name }) {
      series[i].values.append(value)
    } else {
      series.append((name, [value]))
    }
  }
}
