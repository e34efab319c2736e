set terminal svg size 720,476 dynamic enhanced font "sans,13" background rgb "white"
set encoding utf8
set xlabel "count" noenhanced
set ylabel "test.accuracy (%)" noenhanced
set grid lc rgb "#cccccc"
set border 3
set tics nomirror
set key below noenhanced height 1.5
set title "test.accuracy (%) against count, mean ± 95 % interval over 8 seeds" noenhanced
set xrange [11.4:24.6]
set xtics ("12" 12.0, "18" 18.0, "24" 24.0) noenhanced
$line0 << EOD
12.0 80.54375 1.0825554408951101
18.0 79.20625 1.3099977004846461
24.0 74.325 1.4973545809381485
EOD
$line1 << EOD
12.0 80.54375 0.9647772250772237
18.0 78.9625 1.1531873226940434
24.0 74.66874999999999 1.2829463195812785
EOD
$line2 << EOD
12.0 79.8875 0.8332544896735816
18.0 77.43124999999999 0.9239388875168018
24.0 68.72500000000001 5.029642893432052
EOD
$line3 << EOD
12.0 79.85 1.0004843890094308
18.0 77.83125 0.8796506360025982
24.0 71.275 0.5852146451408002
EOD
plot $line0 using ($1+(-0.4800000000000001)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 1 lc rgb "#0072B2" title "relevance", \
     $line1 using ($1+(-0.16000000000000006)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 2 lc rgb "#D55E00" title "relevance, classWeights false", \
     $line2 using ($1+(0.16)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 3 lc rgb "#009E73" title "l1", \
     $line3 using ($1+(0.4800000000000001)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 4 lc rgb "#CC79A7" title "random"
